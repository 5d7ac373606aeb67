//! Being in a session: what happens there, what is typed, and the end.

use std::future::{Future, pending};
use std::pin::Pin;
use std::process;

use anyhow::Context;
use greenroom_protocol::session::message::{Change, Notice};
use greenroom_protocol::session::{Identity, Roster};
use greenroom_reports::verdict::exit_code;
use greenroom_session::client::{Client, Events, Recipient, SessionError, SessionEvent};

use super::super::check::next_signal;
use super::super::output;
use super::command::{Command, HELP, resolve};
use super::input::{self, Input};
use super::show::Show;

/// What was asked of the session and is not answered yet.
type Asked<'a> = Pin<Box<dyn Future<Output = Result<(), SessionError>> + Send + 'a>>;

/// A session that was joined.
pub(super) struct Room<'a> {
    client: &'a Client,
    show: Show,
    topic: String,
    /// Oneself, from when the list has one.
    me: Option<Identity>,
    /// The list as it was last shown.
    shown: Roster,
    /// What is being done, and its name; the next line waits for it.
    asked: Option<(&'static str, Asked<'a>)>,
}

impl<'a> Room<'a> {
    pub(super) fn new(client: &'a Client, show: Show, topic: String) -> Self {
        Self {
            client,
            show,
            topic,
            me: None,
            shown: Roster::default(),
            asked: None,
        }
    }

    /// Stays until it is over, and gives the exit code.
    pub(super) async fn stay(mut self, mut events: Events) -> anyhow::Result<u8> {
        let mut lines = input::lines()?;
        let mut input_open = true;
        let mut signaled = false;
        let mut signal = Box::pin(next_signal());
        loop {
            self.begin()?;
            let ready = self.me.is_some() && self.asked.is_none();
            tokio::select! {
                event = events.next() => {
                    let event = event.context("the session client ended by itself")?;
                    if let Some(code) = self.happened(event)? {
                        return Ok(code);
                    }
                }
                answer = answer(&mut self.asked) => self.answered(answer)?,
                line = lines.recv(), if input_open && ready => {
                    input_open = line.is_some();
                    match line {
                        Some(line) => self.typed(line)?,
                        None => self.leave(),
                    }
                }
                () = &mut signal => {
                    if signaled {
                        process::exit(i32::from(exit_code::INTERRUPTED));
                    }
                    output::complain("leaving; once more to be gone at once");
                    signaled = true;
                    signal = Box::pin(next_signal());
                    self.leave();
                }
            }
        }
    }

    /// Tells where one is and who is there, once one is on the list.
    fn begin(&mut self) -> anyhow::Result<()> {
        if self.me.is_some() {
            return Ok(());
        }
        let Some(me) = self.client.me() else {
            return Ok(());
        };
        self.shown = Roster::clone(&self.client.users());
        output::print(&self.show.joined(&me, &self.topic))?;
        output::print(&self.show.users(&self.shown, Some(&me.identity)))?;
        self.me = Some(me.identity);
        Ok(())
    }

    fn leave(&mut self) {
        self.ask("leave", self.client.leave());
    }

    fn ask(
        &mut self,
        what: &'static str,
        asked: impl Future<Output = Result<(), SessionError>> + Send + 'a,
    ) {
        self.asked = Some((what, Box::pin(asked)));
    }

    fn answered(
        &mut self,
        (what, result): (&'static str, Result<(), SessionError>),
    ) -> anyhow::Result<()> {
        match result {
            Ok(()) => output::print(&self.show.done(what)),
            Err(error) => self.refuse(&format!("{:#}", anyhow::Error::from(error))),
        }
    }

    fn refuse(&self, message: &str) -> anyhow::Result<()> {
        output::print(&self.show.refused(message))
    }

    fn typed(&mut self, input: Input) -> anyhow::Result<()> {
        let line = match input {
            Input::Line(line) => line,
            Input::TooLong => return self.refuse("this line is longer than any that is read"),
        };
        let done = match Command::parse(&line) {
            Ok(None) => Ok(()),
            Ok(Some(Command::Help)) => return output::print(HELP),
            Ok(Some(Command::Users)) => {
                return output::print(&self.show.users(&self.client.users(), self.me.as_ref()));
            }
            Ok(Some(command)) => self.act(command),
            Err(message) => Err(message),
        };
        done.or_else(|message| self.refuse(&message))
    }

    /// Begins what a command asks for.
    fn act(&mut self, command: Command) -> Result<(), String> {
        let client = self.client;
        let users = client.users();
        let whom = |text: &str| resolve(&users, text);
        match command {
            Command::Say(text) => self.ask("say", async move {
                client.send_chat(&Recipient::All, &text).await
            }),
            Command::To { whom: to, text } => {
                let to = Recipient::One(whom(&to)?);
                self.ask("to", async move { client.send_chat(&to, &text).await });
            }
            Command::MuteSelf(muted) => {
                let what = if muted { "mute" } else { "unmute" };
                self.ask(what, client.announce_microphone(muted));
            }
            Command::AnswerUnmute(accepted) => self.ask(
                if accepted { "accept" } else { "decline" },
                client.answer_unmute(accepted),
            ),
            Command::Rename(name) => {
                self.ask("rename", async move { client.rename(&name).await });
            }
            Command::RenameUser { whom: user, name } => {
                let user = whom(&user)?;
                self.ask("rename-user", async move {
                    client.rename_user(user, &name).await
                });
            }
            Command::Mute(user) => self.ask("mute", client.mute(whom(&user)?)),
            Command::AskToUnmute(user) => {
                self.ask("ask-unmute", client.ask_to_unmute(whom(&user)?));
            }
            Command::Remove(user) => self.ask("remove", client.remove(whom(&user)?)),
            Command::LockShare(locked) => self.ask(
                if locked { "lock" } else { "unlock" },
                client.lock_share(locked),
            ),
            Command::TransferHost(user) => self.ask("host", client.transfer_host(whom(&user)?)),
            Command::MakeManager(user) => self.ask("manager", client.make_manager(whom(&user)?)),
            Command::RevokeManager(user) => {
                self.ask("participant", client.revoke_manager(whom(&user)?));
            }
            Command::ReclaimHost => self.ask("reclaim", client.reclaim_host()),
            Command::Leave => self.leave(),
            Command::End(text) => self.ask("end", client.end(text)),
            Command::Help | Command::Users => {}
        }
        Ok(())
    }

    /// Shows an event; an exit code, when it is the last one.
    fn happened(&mut self, event: SessionEvent) -> anyhow::Result<Option<u8>> {
        let show = self.show;
        let told = match event {
            SessionEvent::UserJoined { user } => self.changed(&Change::UserJoined { user }),
            SessionEvent::UserChanged { user } => self.changed(&Change::UserChanged { user }),
            SessionEvent::UserLeft { identity, reason } => {
                self.changed(&Change::UserLeft { identity, reason })
            }
            SessionEvent::ShareLocked { locked, by } => {
                self.changed(&Change::ShareLocked { locked, by })
            }
            SessionEvent::ListReplaced | SessionEvent::Lagged { .. } => self.read_list_again(),
            SessionEvent::MutedBy { by } => show.notice(&Notice::MutedBy { by }, &self.shown),
            SessionEvent::UnmuteAsked { by } => {
                show.notice(&Notice::UnmuteAsked { by }, &self.shown)
            }
            SessionEvent::UnmuteAnswered { identity, accepted } => {
                show.notice(&Notice::UnmuteAnswered { identity, accepted }, &self.shown)
            }
            SessionEvent::ShareStopped { by } => {
                show.notice(&Notice::ShareStopped { by }, &self.shown)
            }
            SessionEvent::Chat(message) => show.message("chat", &message, &self.shown),
            SessionEvent::Command(message) => show.message("command", &message, &self.shown),
            SessionEvent::StateChanged { from, to } => show.state(from, to),
            SessionEvent::NotKeptAwake(why) => {
                output::complain(&why.to_string());
                String::new()
            }
            SessionEvent::Left => {
                output::print(&show.left())?;
                return Ok(Some(exit_code::READY));
            }
            SessionEvent::Ended { reason, text } => {
                output::print(&show.ended(reason, text.as_deref()))?;
                return Ok(Some(exit_code::READY));
            }
            SessionEvent::Failed(failure) => return Err(failure.into()),
            _ => String::new(),
        };
        output::print(&told)?;
        Ok(None)
    }

    /// Shows the list, when it is another one than the one that is shown.
    fn read_list_again(&mut self) -> String {
        let list = self.client.users();
        let same =
            self.shown.users().eq(list.users()) && self.shown.share_locked() == list.share_locked();
        if same || self.me.is_none() {
            return String::new();
        }
        self.shown = Roster::clone(&list);
        self.show.list_again(&self.shown, self.me.as_ref())
    }

    /// Shows a change, unless the list that is shown has it already.
    fn changed(&mut self, change: &Change) -> String {
        if self.me.is_none() || self.is_shown(change) {
            return String::new();
        }
        let comes = matches!(
            change,
            Change::UserJoined { .. } | Change::ShareLocked { .. }
        );
        if comes {
            self.apply(change);
        }
        let told = self.show.change(change, &self.shown);
        if !comes {
            self.apply(change);
        }
        if told.is_empty() {
            return told;
        }
        told + &self.show.headline(&self.shown)
    }

    fn is_shown(&self, change: &Change) -> bool {
        match change {
            Change::UserJoined { user } | Change::UserChanged { user } => {
                self.shown.get(&user.identity) == Some(user)
            }
            Change::UserLeft { identity, .. } => self.shown.get(identity).is_none(),
            Change::ShareLocked { locked, .. } => self.shown.share_locked() == *locked,
        }
    }

    /// The list that is shown counts its own changes, so that none is missing.
    fn apply(&mut self, change: &Change) {
        let next = self.shown.revision() + 1;
        let _never_a_gap = self.shown.apply(next, change);
    }
}

/// The answer to what was asked; never, when nothing was.
async fn answer(
    asked: &mut Option<(&'static str, Asked<'_>)>,
) -> (&'static str, Result<(), SessionError>) {
    let Some((what, future)) = asked else {
        return pending().await;
    };
    let answer = (*what, future.await);
    *asked = None;
    answer
}
