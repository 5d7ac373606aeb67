//! What a probe of reachability is given by the run.

use std::time::Duration;

use greenroom_reports::model::report::Mode;
use greenroom_reports::units::ByteCount;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::dial::discovery::Discovered;

use crate::cancel::Cancel;
use crate::emit::Emitter;

/// What a probe of reachability is given by the run.
#[derive(Clone, Debug)]
pub struct ReachContext {
    /// Depth of the run.
    pub mode: Mode,
    /// The server that was named, or the one inside this process.
    pub base: Option<BaseUrl>,
    /// The server is the one inside this process: nothing between here and there is tested.
    pub is_builtin: bool,
    /// What the server said of itself; for a probe behind discovery, where it was found.
    pub server: Option<Discovered>,
    /// HTTP and WebSocket, with the run's trust and the system's proxy.
    pub dialer: Dialer,
    /// Further certificate authorities to trust, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// What is left of the run's time.
    pub time_limit: Option<Duration>,
    /// Bytes that the run may spend in all, both directions together.
    pub data_limit: Option<ByteCount>,
    /// Stops the run.
    pub cancel: Cancel,
    /// Where events go.
    pub emitter: Emitter,
}
