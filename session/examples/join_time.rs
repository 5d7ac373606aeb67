//! Joins once for each line of its input and prints the milliseconds, then an engine token by which
//! another client can join the same server. `script/bench sessions` runs it.
//!
//! `join_time URL KEY`; the application's secret is read from `GREENROOM_APP_SECRET`. The client is
//! initialized before the clock starts, as a person's is while they look at their preview.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: reads the clock and prints what it measured"
)]

use std::error::Error;
use std::io::BufRead as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use greenroom_protocol::session::UserName;
use greenroom_protocol::session::message::{Admitted, JOIN_PATH, JoinRequest};
use greenroom_protocol::session::token::{self, AppKey, Claims};
use greenroom_session::client::{Client, InitOptions, JoinOptions};

/// Mints session tokens for topics of this run.
struct Minter {
    app: AppKey,
}

impl Minter {
    fn mint(&self, topic: &str) -> Result<String, Box<dyn Error>> {
        let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims {
            app_key: self.app.key().to_owned(),
            tpc: topic.to_owned(),
            role_type: 1,
            version: 1,
            iat,
            exp: iat + 3600,
            user_key: None,
            session_key: None,
            geo_regions: None,
        };
        Ok(token::mint(&self.app, &claims)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(endpoint), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("join_time URL KEY".into());
    };
    let app = AppKey::new(&key, &std::env::var("GREENROOM_APP_SECRET")?)?;
    let minter = Minter { app };
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let topic = format!("{} {number}", line?);
        let client = Client::new();
        let options = InitOptions {
            endpoint: endpoint.clone(),
            ..InitOptions::default()
        };
        client.init(options).await?;
        let options = JoinOptions {
            token: minter.mint(&topic)?,
            topic,
            ..JoinOptions::default()
        };
        let began = Instant::now();
        client.join(options).await?;
        let took = began.elapsed();
        client.leave().await?;
        client.cleanup().await;
        let other = admit(&endpoint, &minter, &format!("other {number}")).await?;
        println!("{:.3} {other}", took.as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// An engine token for a session of its own.
async fn admit(endpoint: &str, minter: &Minter, topic: &str) -> Result<String, Box<dyn Error>> {
    let request = JoinRequest {
        topic: topic.to_owned(),
        token: minter.mint(topic)?,
        user_name: UserName::default(),
        passcode: None,
        idle_timeout_minutes: None,
    };
    let url = format!("{}{JOIN_PATH}", endpoint.trim_end_matches('/'));
    let response = reqwest::Client::new()
        .post(url)
        .json(&request)
        .send()
        .await?;
    let admitted: Admitted = response.error_for_status()?.json().await?;
    Ok(admitted.engine.token)
}
