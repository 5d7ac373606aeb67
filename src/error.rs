//! Why a check cannot begin. Whatever goes wrong afterwards is in the report.

use greenroom_probes::run::RunError;
use greenroom_session::dial::base_url::BaseUrlError;

/// Why a check cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The server's URL is none.
    #[error("cannot use {url:?} as server")]
    Server {
        /// What was given.
        url: String,
        /// What is wrong with it.
        #[source]
        source: BaseUrlError,
    },
    /// The run cannot be set up.
    #[error("cannot begin the check")]
    Run(#[from] RunError),
    /// The built-in responder cannot be started.
    #[cfg(feature = "server")]
    #[error("cannot start the built-in responder")]
    Builtin(#[from] greenroom_server::ServeError),
}
