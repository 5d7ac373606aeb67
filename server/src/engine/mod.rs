//! The embedded engine: rooms on LiveKit's signalling protocol, version 0.
//!
//! A *named subset* of LiveKit, which its own clients and its server SDKs speak to; what is outside
//! of it is answered with `UNSUPPORTED_TYPE` or `unimplemented`, never passed over in silence.
//!
//! # Endpoints
//!
//! | path | answer |
//! |---|---|
//! | `GET /rtc` | WebSocket, binary protobuf; `access_token` or `Authorization: Bearer` |
//! | `GET /rtc/validate` | `success`, or why not: 400, 401, 403, 404, 503, in words |
//! | `/rtc/v1`, `/rtc/v1/validate` | 404, by which clients of version 1 fall back to 0 |
//! | `POST /twirp/livekit.RoomService/…` | protobuf or JSON; errors are `{"code", "msg"}` |
//!
//! # What clients say
//!
//! | `SignalRequest` | what follows |
//! |---|---|
//! | `offer` | `answer`; an announced track that an earlier offer had and this one has not is over |
//! | `answer` | taken for the connection on which the participant is sent data |
//! | `trickle` | not needed: the server is an ICE-lite agent |
//! | `add_track` | `track_published` and `update`, or `request_response` `NOT_ALLOWED` |
//! | `mute` | `update` |
//! | `update_metadata` | `request_response` `OK` and `update`, or `NOT_ALLOWED` |
//! | `leave` | `leave` back; the others hear `update` with `DISCONNECTED` |
//! | `ping`, `ping_req` | `pong`, `pong_resp` |
//! | `subscription`, `track_setting`, `subscription_permission`, `sync_state` | taken; nothing is forwarded of tracks yet, so they change nothing |
//! | all else | `request_response` `UNSUPPORTED_TYPE` |
//!
//! # What clients hear
//!
//! `join` is the first message; the participants of a large room follow in several `update`s, so
//! that no connection needs a large buffer. `update` tells of others at once in rooms of up to
//! [`small_room`](config::EngineLimits::small_room) participants, and of those who publish, and of
//! whatever session control does; of listeners in larger rooms in batches. `room_update` tells of
//! metadata and, once a second, of the number of participants. A connection ends with `leave`,
//! whose reason is `CLIENT_INITIATED`, `DUPLICATE_IDENTITY`, `SERVER_SHUTDOWN`,
//! `PARTICIPANT_REMOVED`, `ROOM_DELETED`, `CONNECTION_TIMEOUT` or `MEDIA_FAILURE`, or, when a client
//! broke a rule, with a close frame that says which.
//!
//! A client whose connection broke comes back with `reconnect=1&sid=…` within
//! [`resume_grace`](config::EngineTimeouts::resume_grace): `reconnect`, `update` of all, and
//! `room_update` bring it up to date. Later, or when the server began anew, it is told to join again
//! (`leave`, action `RECONNECT`).
//!
//! Tokens are not refreshed: whoever issued one decides whether there is another.
//!
//! # Peer connections
//!
//! All on one UDP port, by one thread; ICE-lite, so that there are no candidates of clients to
//! wait for. The first comes into being with the client's first offer: on its data channels
//! `_reliable` and `_lossy` it sends `DataPacket`s, which are stamped with identity and session
//! and passed on. The second is offered by the server when there is something to deliver. Media is
//! received and dropped. What one connection breaks, be it by a panic, ends that participant alone.
//!
//! # Shape
//!
//! `core` holds the rooms, without sockets or clock, and is tested in virtual time. `handle` keeps
//! it behind one lock, under which nothing waits, and carries out what it wants done, in order.
//! `http` serves routes and connections, `transport` the peer connections. [`room_service`] is what
//! session control is given: the same trait is spoken to a LiveKit cluster by [`twirp_client`].

mod core;
mod handle;
mod http;
mod transport;

pub mod config;
pub mod error;
pub mod event;
pub mod room_service;
pub mod twirp_client;

pub use handle::{Engine, EngineFigures, Guard};
