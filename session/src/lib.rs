//! What probes and the session client share: dialing a deployment.
