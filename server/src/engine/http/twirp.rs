//! The `RoomService` over HTTP.
//!
//! Source: Twirp wire protocol v7; LiveKit's `RoomService`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Json, Response},
};
use greenroom_protocol::livekit::{
    grants::VideoGrants,
    proto::{
        CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListParticipantsRequest,
        ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse, Message,
        MuteRoomTrackRequest, MuteRoomTrackResponse, RemoveParticipantResponse,
        RoomParticipantIdentity, SendDataRequest, SendDataResponse, UpdateParticipantRequest,
        UpdateRoomMetadataRequest,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::token::grants_of;
use crate::engine::{
    handle::Shared,
    room_service::{RoomService, RoomServiceError},
};

/// Methods that LiveKit has and this server has not.
const UNSUPPORTED: [&str; 4] = [
    "UpdateSubscriptions",
    "ForwardParticipant",
    "MoveParticipant",
    "PerformRpc",
];

/// Answers `POST /twirp/livekit.RoomService/{method}`.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let grants = match grants_of(&shared.config, &headers, &uri) {
        Ok(grants) => grants.video,
        Err(error) => return refusal("unauthenticated", &error.to_string()),
    };
    let call = match Call::new(&headers, body, grants) {
        Ok(call) => call,
        Err(response) => return response,
    };
    let answered = dispatch(&shared, &method, &call).await;
    answered.unwrap_or_else(|refused| refused)
}

async fn dispatch(shared: &Shared, method: &str, call: &Call) -> Result<Response, Response> {
    match method {
        "CreateRoom" => {
            let request: CreateRoomRequest = call.request_if(call.creates())?;
            call.reply(shared.create_room(request).await)
        }
        "ListRooms" => {
            let request: ListRoomsRequest = call.request_if(call.lists())?;
            let rooms = shared.list_rooms(request).await;
            call.reply(rooms.map(|rooms| ListRoomsResponse { rooms }))
        }
        "DeleteRoom" => {
            let request: DeleteRoomRequest = call.request_if(call.creates())?;
            let deleted = shared.delete_room(request).await;
            call.reply(deleted.map(|()| DeleteRoomResponse {}))
        }
        "ListParticipants" => {
            let request = call.request(|it: &ListParticipantsRequest| &it.room)?;
            let listed = shared.list_participants(request).await;
            call.reply(listed.map(|participants| ListParticipantsResponse { participants }))
        }
        "GetParticipant" => {
            let request = call.request(|it: &RoomParticipantIdentity| &it.room)?;
            call.reply(shared.get_participant(request).await)
        }
        "RemoveParticipant" => {
            let request = call.request(|it: &RoomParticipantIdentity| &it.room)?;
            let removed = shared.remove_participant(request).await;
            call.reply(removed.map(|()| RemoveParticipantResponse {}))
        }
        "MutePublishedTrack" => {
            let request = call.request(|it: &MuteRoomTrackRequest| &it.room)?;
            let muted = shared.mute_published_track(request).await;
            call.reply(muted.map(|track| MuteRoomTrackResponse { track: Some(track) }))
        }
        "UpdateParticipant" => {
            let request = call.request(|it: &UpdateParticipantRequest| &it.room)?;
            call.reply(shared.update_participant(request).await)
        }
        "UpdateRoomMetadata" => {
            let request = call.request(|it: &UpdateRoomMetadataRequest| &it.room)?;
            call.reply(shared.update_room_metadata(request).await)
        }
        "SendData" => {
            let request = call.request(|it: &SendDataRequest| &it.room)?;
            let sent = shared.send_data(request).await;
            call.reply(sent.map(|()| SendDataResponse {}))
        }
        method if UNSUPPORTED.contains(&method) => Err(refusal(
            "unimplemented",
            &format!("this server does not do {method}"),
        )),
        _ => Err(refusal("bad_route", "the RoomService has no such method")),
    }
}

/// One request, and who asks.
struct Call {
    is_json: bool,
    body: Bytes,
    grants: VideoGrants,
}

impl Call {
    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn new(headers: &HeaderMap, body: Bytes, grants: VideoGrants) -> Result<Self, Response> {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::trim);
        let is_json = match content_type {
            Some("application/protobuf") => false,
            Some("application/json") => true,
            _ => {
                let text = "the Content-Type is neither application/protobuf nor application/json";
                return Err(refusal("bad_route", text));
            }
        };
        Ok(Self {
            is_json,
            body,
            grants,
        })
    }

    fn creates(&self) -> Result<(), &'static str> {
        let text = "the token grants no making of rooms (roomCreate)";
        self.grants.room_create.then_some(()).ok_or(text)
    }

    fn lists(&self) -> Result<(), &'static str> {
        let text = "the token grants no listing of rooms (roomList)";
        self.grants.room_list.then_some(()).ok_or(text)
    }

    /// The request, when it may be made.
    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn request_if<Q: Message + Default + DeserializeOwned>(
        &self,
        allowed: Result<(), &'static str>,
    ) -> Result<Q, Response> {
        allowed.map_err(|text| refusal("permission_denied", text))?;
        let decoded = if self.is_json {
            serde_json::from_slice(&self.body).map_err(|error| error.to_string())
        } else {
            Q::decode(self.body.clone()).map_err(|error| error.to_string())
        };
        decoded.map_err(|error| {
            let text = format!("the request cannot be read: {error}");
            refusal("malformed", &text)
        })
    }

    /// The request about a room, when the token grants acting upon that room.
    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn request<Q: Message + Default + DeserializeOwned>(
        &self,
        room: impl Fn(&Q) -> &String,
    ) -> Result<Q, Response> {
        let request = self.request_if(Ok(()))?;
        if self.grants.administers(room(&request)) {
            return Ok(request);
        }
        let text = "the token does not grant acting upon this room (roomAdmin, room)";
        Err(refusal("permission_denied", text))
    }

    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn reply<A: Message + Serialize>(
        &self,
        answer: Result<A, RoomServiceError>,
    ) -> Result<Response, Response> {
        let answer = answer.map_err(|error| refusal(code_of(&error), &error.to_string()))?;
        if self.is_json {
            return Ok(Json(answer).into_response());
        }
        let headers = [(CONTENT_TYPE, "application/protobuf")];
        Ok((headers, answer.encode_to_vec()).into_response())
    }
}

fn code_of(error: &RoomServiceError) -> &'static str {
    match error {
        RoomServiceError::NotFound(_) => "not_found",
        RoomServiceError::InvalidArgument(_) => "invalid_argument",
        RoomServiceError::PermissionDenied(_) => "permission_denied",
        RoomServiceError::LimitExceeded(_) => "resource_exhausted",
        RoomServiceError::Unavailable(_) => "unavailable",
        RoomServiceError::Unsupported(_) => "unimplemented",
        RoomServiceError::Internal(_) => "internal",
    }
}

/// An error as Twirp has it.
fn refusal(code: &str, text: &str) -> Response {
    let status = match code {
        "malformed" | "invalid_argument" => StatusCode::BAD_REQUEST,
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "permission_denied" => StatusCode::FORBIDDEN,
        "not_found" | "bad_route" => StatusCode::NOT_FOUND,
        "resource_exhausted" => StatusCode::TOO_MANY_REQUESTS,
        "unimplemented" => StatusCode::NOT_IMPLEMENTED,
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(json!({ "code": code, "msg": text }))).into_response()
}
