//! A [`RoomService`] over HTTP: asks a LiveKit server or cluster.
//!
//! Source: Twirp wire protocol v7, messages in protobuf; LiveKit's `RoomService`.

use std::{error::Error, fmt::Write as _, time::Duration};

use greenroom_protocol::livekit::{
    grants::{ApiKey, Grants, VideoGrants},
    proto::{
        CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListParticipantsRequest,
        ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse, Message,
        MuteRoomTrackRequest, MuteRoomTrackResponse, ParticipantInfo, RemoveParticipantResponse,
        Room, RoomParticipantIdentity, SendDataRequest, SendDataResponse, TrackInfo,
        UpdateParticipantRequest, UpdateRoomMetadataRequest,
    },
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;

use super::room_service::{Reply, RoomService, RoomServiceError};
use crate::clock;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token of one request holds.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// Longest answer that is read: the list of the participants of a large room.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Asks the `RoomService` of a LiveKit server.
#[derive(Clone, Debug)]
pub struct TwirpClient {
    http: reqwest::Client,
    base_url: String,
    key: ApiKey,
}

impl TwirpClient {
    /// A client of the server at `base_url` (`https://…`; `wss://…` is taken, too), which signs its
    /// requests with `key`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up, or `base_url` is none.
    pub fn new(base_url: &str, key: ApiKey) -> Result<Self, RoomServiceError> {
        let base_url = base_url.trim_end_matches('/');
        let base_url = match base_url.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => base_url.to_owned(),
        };
        if let Err(error) = reqwest::Url::parse(&base_url) {
            let text = format!("the URL of the LiveKit server, {base_url}, is none: {error}");
            return Err(RoomServiceError::InvalidArgument(text));
        }
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| {
                let text = format!("cannot set up an HTTP client{}", sources(&error));
                RoomServiceError::Internal(text)
            })?;
        Ok(Self {
            http,
            base_url,
            key,
        })
    }

    async fn ask<Q: Message, A: Message + Default>(
        &self,
        method: &'static str,
        grants: Grants,
        request: Q,
    ) -> Result<A, RoomServiceError> {
        let token = self
            .key
            .mint(grants, clock::unix_time(), TOKEN_LIFETIME)
            .map_err(|error| RoomServiceError::Internal(error.to_string()))?;
        let sent = self
            .http
            .post(format!(
                "{}/twirp/livekit.RoomService/{method}",
                self.base_url
            ))
            .header(CONTENT_TYPE, "application/protobuf")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(request.encode_to_vec())
            .send()
            .await;
        let response = sent.map_err(|error| self.unreachable(method, &error))?;
        let status = response.status();
        let body = self.read(method, response).await?;
        if !status.is_success() {
            return Err(self.refused(method, status, &body));
        }
        A::decode(body.as_slice()).map_err(|error| {
            let text = format!(
                "{} answered {method} with what is no answer: {error}",
                self.base_url
            );
            RoomServiceError::Internal(text)
        })
    }

    /// The body, as long as it is not too long.
    async fn read(
        &self,
        method: &str,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, RoomServiceError> {
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.unreachable(method, &error))? else {
                return Ok(body);
            };
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let text = format!(
                    "{} answered {method} with more than {MAX_ANSWER_BYTES} bytes",
                    self.base_url
                );
                return Err(RoomServiceError::Internal(text));
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn unreachable(&self, method: &str, error: &reqwest::Error) -> RoomServiceError {
        let text = format!(
            "the LiveKit server at {} does not answer {method}{}",
            self.base_url,
            sources(error)
        );
        RoomServiceError::Unavailable(text)
    }

    fn refused(&self, method: &str, status: reqwest::StatusCode, body: &[u8]) -> RoomServiceError {
        #[derive(Deserialize)]
        struct Refusal {
            code: String,
            #[serde(default)]
            msg: String,
        }
        let Ok(Refusal { code, msg }) = serde_json::from_slice(body) else {
            let text = format!("{} answered {method} with HTTP {status}", self.base_url);
            return match status.as_u16() {
                401 | 403 => RoomServiceError::PermissionDenied(text),
                404 => RoomServiceError::Unsupported(text),
                _ => RoomServiceError::Unavailable(text),
            };
        };
        let text = format!("{} refused {method}: {msg} ({code})", self.base_url);
        match code.as_str() {
            "not_found" => RoomServiceError::NotFound(text),
            "invalid_argument" | "malformed" | "out_of_range" => {
                RoomServiceError::InvalidArgument(text)
            }
            "permission_denied" | "unauthenticated" => RoomServiceError::PermissionDenied(text),
            "resource_exhausted" => RoomServiceError::LimitExceeded(text),
            "unavailable" | "deadline_exceeded" | "canceled" => RoomServiceError::Unavailable(text),
            "unimplemented" | "bad_route" | "failed_precondition" => {
                RoomServiceError::Unsupported(text)
            }
            _ => RoomServiceError::Internal(text),
        }
    }
}

/// What an error's sources say, behind a colon each; the URL is named already.
fn sources(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

fn creates() -> Grants {
    Grants {
        video: VideoGrants {
            room_create: true,
            ..VideoGrants::default()
        },
        ..Grants::default()
    }
}

fn lists() -> Grants {
    Grants {
        video: VideoGrants {
            room_list: true,
            ..VideoGrants::default()
        },
        ..Grants::default()
    }
}

impl RoomService for TwirpClient {
    fn create_room(&self, request: CreateRoomRequest) -> Reply<'_, Room> {
        Box::pin(self.ask("CreateRoom", creates(), request))
    }

    fn list_rooms(&self, request: ListRoomsRequest) -> Reply<'_, Vec<Room>> {
        Box::pin(async {
            let answer: ListRoomsResponse = self.ask("ListRooms", lists(), request).await?;
            Ok(answer.rooms)
        })
    }

    fn delete_room(&self, request: DeleteRoomRequest) -> Reply<'_, ()> {
        Box::pin(async {
            let _: DeleteRoomResponse = self.ask("DeleteRoom", creates(), request).await?;
            Ok(())
        })
    }

    fn list_participants(
        &self,
        request: ListParticipantsRequest,
    ) -> Reply<'_, Vec<ParticipantInfo>> {
        Box::pin(async {
            let grants = Grants::admin(request.room.as_str());
            let answer: ListParticipantsResponse =
                self.ask("ListParticipants", grants, request).await?;
            Ok(answer.participants)
        })
    }

    fn get_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ParticipantInfo> {
        let grants = Grants::admin(request.room.as_str());
        Box::pin(self.ask("GetParticipant", grants, request))
    }

    fn remove_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ()> {
        Box::pin(async {
            let grants = Grants::admin(request.room.as_str());
            let _: RemoveParticipantResponse =
                self.ask("RemoveParticipant", grants, request).await?;
            Ok(())
        })
    }

    fn mute_published_track(&self, request: MuteRoomTrackRequest) -> Reply<'_, TrackInfo> {
        Box::pin(async {
            let grants = Grants::admin(request.room.as_str());
            let answer: MuteRoomTrackResponse =
                self.ask("MutePublishedTrack", grants, request).await?;
            answer.track.ok_or_else(|| {
                let text = format!("{} did not say which track it muted", self.base_url);
                RoomServiceError::Internal(text)
            })
        })
    }

    fn update_participant(&self, request: UpdateParticipantRequest) -> Reply<'_, ParticipantInfo> {
        let grants = Grants::admin(request.room.as_str());
        Box::pin(self.ask("UpdateParticipant", grants, request))
    }

    fn update_room_metadata(&self, request: UpdateRoomMetadataRequest) -> Reply<'_, Room> {
        let grants = Grants::admin(request.room.as_str());
        Box::pin(self.ask("UpdateRoomMetadata", grants, request))
    }

    fn send_data(&self, request: SendDataRequest) -> Reply<'_, ()> {
        Box::pin(async {
            let grants = Grants::admin(request.room.as_str());
            let _: SendDataResponse = self.ask("SendData", grants, request).await?;
            Ok(())
        })
    }
}
