//! The client object.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenroom_protocol::session::message::Action;
use greenroom_protocol::session::{Identity, Roster, User, UserName};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::driver::{Driver, announce_microphone, now};
use super::error::SessionError;
use super::event::{Events, SessionState};
use super::machine::LEAVE_TIMEOUT;
use super::options::{InitOptions, InitReport, JoinOptions};
use super::packet::{Channel, Recipient, pack};
use super::shared::{Microphone, Shared, Waiting, lock};
use super::warmth::Ready;
use crate::peer::{DataChannelKind, EngineSender};

/// Longest wait for what a session leaves behind when it ends.
const CLEANUP: Duration = Duration::from_secs(2);

/// Joins one session at a time. Two clients of one process may be in two sessions.
///
/// The order is [`Client::init`], [`Client::join`], then everything else: whatever takes a session fails
/// with a typed error before, and never waits. All methods take `&self`, so that one client is shared
/// between tasks.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    ready: Mutex<Option<Arc<Ready>>>,
    task: Mutex<Option<AbortOnDropHandle<()>>>,
    running: watch::Sender<bool>,
}

/// Waits until a client that was dropped has left in order.
#[derive(Clone, Debug)]
pub struct ExitGuard(watch::Receiver<bool>);

impl ExitGuard {
    /// Returns when the client's session is over, or after the longest time that leaving takes.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn finished(mut self) {
        let over = self.0.wait_for(|running| !*running);
        // A client that is gone runs nothing; one that takes longer is not waited for.
        let _over = timeout(LEAVE_TIMEOUT + CLEANUP, over).await;
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client in [`SessionState::Idle`].
    pub fn new() -> Self {
        // Spreads retries: a system without random bytes spreads nothing, and works.
        let seed = getrandom::u64().unwrap_or_default();
        Self {
            shared: Arc::new(Shared::new(seed)),
            ready: Mutex::default(),
            task: Mutex::default(),
            running: watch::channel(false).0,
        }
    }

    /// Finds the deployment and makes ready what a join needs. May be called again, outside a session, for
    /// another deployment or another network.
    ///
    /// # Errors
    /// When the endpoint is no URL, no Greenroom server answers there, or the client is in a session.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened; the client is as before.
    pub async fn init(&self, options: InitOptions) -> Result<InitReport, SessionError> {
        if self.state().is_in_session() {
            return Err(SessionError::DuplicateJoin);
        }
        let (ready, report) = Ready::prepare(options).await?;
        *lock(&self.ready) = Some(Arc::new(ready));
        lock(&self.shared.machine).initialized();
        self.tell_what_is_left();
        Ok(report)
    }

    /// Joins: returns when session control has admitted the user, signalling is joined and the publisher
    /// connected. Takes [`JOIN_TIMEOUT`](super::JOIN_TIMEOUT) at most.
    ///
    /// # Errors
    /// When a parameter breaks its rule, the server says no, or a connection does not come about. The
    /// client may join again after any of them.
    ///
    /// # Cancel safety
    /// Dropping the future gives the join up.
    pub async fn join(&self, options: JoinOptions) -> Result<(), SessionError> {
        let what = "join";
        let ready = lock(&self.ready).clone();
        let ready = ready.ok_or(SessionError::NotInitialized { what })?;
        let request = options.check()?;
        // The driver of the session before closes what it held; it is bounded.
        self.settle().await;
        let (waiter, outcome) = oneshot::channel();
        {
            let mut task = lock(&self.task);
            lock(&self.shared.machine).join(request, now())?;
            lock(&self.shared.waiting).join = Some(waiter);
            *task = Some(self.spawn(ready));
        }
        let giving_up = GiveUp(Some(&self.shared));
        let outcome = outcome.await;
        giving_up.disarm();
        outcome.unwrap_or(Err(SessionError::NotJoined { what }))
    }

    fn spawn(&self, ready: Arc<Ready>) -> AbortOnDropHandle<()> {
        let driver = Driver::new(Arc::clone(&self.shared), ready);
        self.running.send_replace(true);
        let running = Running(self.running.clone(), Arc::clone(&self.shared));
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _until_the_end = running;
            driver.run().await;
        }))
    }

    /// Waits for the driver of a session that is over.
    async fn settle(&self) {
        if self.state().is_in_session() {
            return;
        }
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // One that was aborted holds nothing either.
            let _ended = timeout(CLEANUP, task).await;
        }
    }

    /// Leaves, which concerns this user alone. Returns when the server knows, or after
    /// [`LEAVE_TIMEOUT`]; the client has left in either case.
    ///
    /// # Errors
    /// When the client is in no session.
    ///
    /// # Cancel safety
    /// Leaving goes on.
    pub async fn leave(&self) -> Result<(), SessionError> {
        lock(&self.shared.machine).leave(now())?;
        self.shared.woken.notify_one();
        self.over().await;
        Ok(())
    }

    /// Ends the session for everybody, who read `text`. Returns when it is over for this client too.
    ///
    /// # Errors
    /// When the client is in no session, or not its host.
    ///
    /// # Cancel safety
    /// Whether the session ends is then not known.
    pub async fn end(&self, text: Option<String>) -> Result<(), SessionError> {
        match self.act(Action::End { text }).await {
            // The end may be told before the answer.
            Ok(()) | Err(SessionError::Ended { .. }) => {}
            Err(error) => return Err(error),
        }
        self.over().await;
        Ok(())
    }

    async fn over(&self) {
        let mut running = self.running.subscribe();
        let over = running.wait_for(|running| !*running);
        let _over = timeout(LEAVE_TIMEOUT + CLEANUP, over).await;
    }

    /// Leaves if need be, and lets go of everything: connections, tasks, what was made ready. The client
    /// is [`SessionState::Idle`] again.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn cleanup(&self) {
        if self.state().is_in_session() {
            // An error means that it ended meanwhile.
            let _left = self.leave().await;
        }
        let task = lock(&self.task).take();
        if let Some(mut task) = task
            && timeout(CLEANUP, &mut task).await.is_err()
        {
            task.abort();
        }
        *lock(&self.ready) = None;
        lock(&self.shared.machine).reset();
        self.tell_what_is_left();
    }

    /// Tells what the machine says when no driver runs.
    fn tell_what_is_left(&self) {
        loop {
            let mut machine = lock(&self.shared.machine);
            if machine.state().is_in_session() {
                return;
            }
            let Some(output) = machine.poll() else { return };
            drop(machine);
            if let super::machine::Output::Event(event) = output {
                self.shared.tell(event);
            }
        }
    }

    /// Where the client is.
    pub fn state(&self) -> SessionState {
        lock(&self.shared.machine).state()
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events(self.shared.events.subscribe())
    }

    /// The user list as it is; empty outside a session.
    pub fn users(&self) -> Arc<Roster> {
        lock(&self.shared.machine).roster()
    }

    /// This user as everybody sees them; `None` until the list holds them.
    pub fn me(&self) -> Option<User> {
        let machine = lock(&self.shared.machine);
        let identity = machine.identity()?;
        machine.roster().get(identity).cloned()
    }

    /// Who is heard speaking, the latest first.
    pub fn speaking(&self) -> Vec<Identity> {
        lock(&self.shared.speaking).clone()
    }

    /// What tells when a session that outlives this client is over; to be taken before the client is
    /// dropped.
    pub fn exit_guard(&self) -> ExitGuard {
        ExitGuard(self.running.subscribe())
    }

    async fn act(&self, action: Action) -> Result<(), SessionError> {
        let (waiter, outcome) = oneshot::channel();
        let what = action.name();
        {
            // Taken before the machine is asked, so that no answer comes before its waiter is known.
            let mut waiting = lock(&self.shared.waiting);
            let request = lock(&self.shared.machine).act(action, now())?;
            waiting.actions.insert(request, waiter);
        }
        self.shared.woken.notify_one();
        let outcome = outcome.await;
        outcome.unwrap_or(Err(SessionError::NotJoined { what }))
    }

    /// Changes this user's name.
    ///
    /// # Errors
    /// When the client is in no session or the server does not answer.
    pub async fn rename(&self, name: &str) -> Result<(), SessionError> {
        let (identity, name) = (None, UserName::new(name));
        self.act(Action::Rename { identity, name }).await
    }

    /// Changes another user's name.
    ///
    /// # Errors
    /// When the client is in no session, or neither host nor manager.
    pub async fn rename_user(&self, whom: Identity, name: &str) -> Result<(), SessionError> {
        let (identity, name) = (Some(whom), UserName::new(name));
        self.act(Action::Rename { identity, name }).await
    }

    /// Mutes another user's microphone.
    ///
    /// # Errors
    /// When the client is in no session, or neither host nor manager.
    pub async fn mute(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::Mute { identity }).await
    }

    /// Asks another user to unmute.
    ///
    /// # Errors
    /// When the client is in no session, or neither host nor manager.
    pub async fn ask_to_unmute(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::AskToUnmute { identity }).await
    }

    /// Answers the question to unmute; who agrees is unmuted.
    ///
    /// # Errors
    /// When the client is in no session, or was not asked.
    pub async fn answer_unmute(&self, accepted: bool) -> Result<(), SessionError> {
        self.act(Action::AnswerUnmute { accepted }).await?;
        let announced = lock(&self.shared.microphone).is_some();
        if accepted && announced {
            self.set_own_muted(false)?;
        }
        Ok(())
    }

    /// Removes a user, who cannot come back into this session.
    ///
    /// # Errors
    /// When the client is in no session, or neither host nor manager; nobody removes the host.
    pub async fn remove(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::Remove { identity }).await
    }

    /// Locks screen sharing for participants, or unlocks it.
    ///
    /// # Errors
    /// When the client is in no session, or neither host nor manager.
    pub async fn lock_share(&self, locked: bool) -> Result<(), SessionError> {
        self.act(Action::LockShare { locked }).await
    }

    /// Makes another user host.
    ///
    /// # Errors
    /// When the client is in no session, or not its host.
    pub async fn transfer_host(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::TransferHost { identity }).await
    }

    /// Takes the host's role back, as the user who was host first.
    ///
    /// # Errors
    /// When the client is in no session, or was not host first.
    pub async fn reclaim_host(&self) -> Result<(), SessionError> {
        self.act(Action::ReclaimHost).await
    }

    /// Makes a participant manager.
    ///
    /// # Errors
    /// When the client is in no session, or not its host.
    pub async fn make_manager(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::MakeManager { identity }).await
    }

    /// Makes a manager participant.
    ///
    /// # Errors
    /// When the client is in no session, or not its host.
    pub async fn revoke_manager(&self, identity: Identity) -> Result<(), SessionError> {
        self.act(Action::RevokeManager { identity }).await
    }

    /// Starts a live stream to an RTMP URL with a stream key.
    ///
    /// # Errors
    /// When the client is in no session, or not its host, or the engine streams nothing live.
    pub async fn start_live_stream(&self, url: String, key: String) -> Result<(), SessionError> {
        self.act(Action::StartLiveStream { url, key }).await
    }

    /// Stops the live stream.
    ///
    /// # Errors
    /// When the client is in no session, or not its host, or nothing is streamed.
    pub async fn stop_live_stream(&self) -> Result<(), SessionError> {
        self.act(Action::StopLiveStream).await
    }

    /// Sends a chat message.
    ///
    /// # Errors
    /// When the client is in no session, the text is longer than
    /// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES), or the engine does not take it in time.
    pub async fn send_chat(&self, to: &Recipient, text: &str) -> Result<(), SessionError> {
        self.send(Channel::Chat, to, text).await
    }

    /// Sends a message of the command channel, which the application gives its meaning.
    ///
    /// # Errors
    /// As [`Client::send_chat`].
    pub async fn send_command(&self, to: &Recipient, text: &str) -> Result<(), SessionError> {
        self.send(Channel::Command, to, text).await
    }

    async fn send(&self, channel: Channel, to: &Recipient, text: &str) -> Result<(), SessionError> {
        let what = channel.what();
        let engine = self.engine(what)?;
        if let Recipient::One(identity) = to
            && self.users().get(identity).is_none()
        {
            return Err(SessionError::UnknownUser {
                what,
                identity: identity.clone(),
            });
        }
        let packet = pack(channel, to, text)?;
        let sent = engine.send_data(DataChannelKind::Reliable, packet).await;
        sent.map_err(|source| SessionError::Send { what, source })
    }

    fn engine(&self, what: &'static str) -> Result<EngineSender, SessionError> {
        lock(&self.shared.machine).check_engine(what)?;
        let engine = lock(&self.shared.engine).clone();
        engine.ok_or(SessionError::Reconnecting { what })
    }

    /// Tells everybody that this user has a microphone, muted or not. Sound follows with media.
    ///
    /// # Errors
    /// When the client is in no session, or the engine does not take it in time.
    ///
    /// # Cancel safety
    /// The microphone may be announced all the same.
    pub async fn announce_microphone(&self, muted: bool) -> Result<(), SessionError> {
        let what = "announce the microphone";
        let engine = self.engine(what)?;
        if lock(&self.shared.microphone).is_some() {
            return self.set_own_muted(muted);
        }
        let announced = announce_microphone(engine, muted).await;
        let announced = announced.map_err(|source| SessionError::Send { what, source })?;
        *lock(&self.shared.microphone) = Some(Microphone {
            track: Some(announced.sid),
            muted,
        });
        Ok(())
    }

    /// Mutes or unmutes this user's microphone.
    ///
    /// # Errors
    /// When the client is in no session, or no microphone was announced.
    pub fn set_own_muted(&self, muted: bool) -> Result<(), SessionError> {
        let what = if muted { "mute" } else { "unmute" };
        let engine = self.engine(what)?;
        let mut microphone = lock(&self.shared.microphone);
        let Some(microphone) = microphone.as_mut() else {
            return Err(SessionError::NoMicrophone { what });
        };
        let Some(track) = &microphone.track else {
            return Err(SessionError::Reconnecting { what });
        };
        let told = engine.set_muted(track, muted);
        told.map_err(|source| SessionError::Send { what, source })?;
        microphone.muted = muted;
        Ok(())
    }

    /// Whether this user's microphone is muted; `None` when none was announced.
    pub fn is_own_muted(&self) -> Option<bool> {
        lock(&self.shared.microphone).as_ref().map(|one| one.muted)
    }

    /// Sends this machine's camera into the session.
    ///
    /// # Errors
    /// Always: this version sends no media yet. Outside a session, that it takes one.
    pub fn start_video(&self) -> Result<(), SessionError> {
        self.no_media("start the video")
    }

    /// Sends this machine's microphone into the session.
    ///
    /// # Errors
    /// As [`Client::start_video`].
    pub fn start_audio(&self) -> Result<(), SessionError> {
        self.no_media("start the audio")
    }

    /// Shares a screen.
    ///
    /// # Errors
    /// As [`Client::start_video`].
    pub fn start_share(&self) -> Result<(), SessionError> {
        self.no_media("share a screen")
    }

    fn no_media(&self, what: &'static str) -> Result<(), SessionError> {
        lock(&self.shared.machine).check_engine(what)?;
        Err(SessionError::NotSupportedYet { what })
    }
}

/// With `leave_on_exit` the session is left in order, by a task that ends within
/// [`LEAVE_TIMEOUT`]; [`ExitGuard::finished`] waits for it. Without, everything is closed at once.
impl Drop for Client {
    fn drop(&mut self) {
        let task = lock(&self.task).take();
        let ready = lock(&self.ready).take();
        let leaves = ready.is_some_and(|ready| ready.options.leave_on_exit);
        let Some(task) = task else { return };
        if leaves && lock(&self.shared.machine).leave(now()).is_ok() {
            self.shared.woken.notify_one();
            // It is bounded, and whoever has to wait for it has a guard.
            let _task = task.detach();
        } else {
            drop(task);
        }
    }
}

/// As long as a driver runs. When it ends, however that comes, nobody waits for it any more.
struct Running(watch::Sender<bool>, Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        *lock(&self.1.waiting) = Waiting::default();
        self.0.send_replace(false);
    }
}

/// Gives a join up when nobody waits for it any more.
struct GiveUp<'a>(Option<&'a Shared>);

impl GiveUp<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0
            && lock(&shared.machine).leave(now()).is_ok()
        {
            shared.woken.notify_one();
        }
    }
}
