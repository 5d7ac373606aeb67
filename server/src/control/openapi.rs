//! The description of the HTTP side.

use axum::response::Json;
use greenroom_protocol::session::message::{
    ACTION_PATH, Action, Admitted, CONTROL_PATH, ClientMessage, JOIN_PATH, JoinRequest, Refusal,
    ServerMessage,
};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// Answers the document: OpenAPI 3.1.
pub(super) async fn document() -> Json<Value> {
    Json(describe())
}

fn describe() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let join = generator.subschema_for::<JoinRequest>();
    let admitted = generator.subschema_for::<Admitted>();
    let action = generator.subschema_for::<Action>();
    let refusal = generator.subschema_for::<Refusal>();
    let client = generator.subschema_for::<ClientMessage>();
    let server = generator.subschema_for::<ServerMessage>();
    let body = |schema: &schemars::Schema| json!({ "application/json": { "schema": schema } });
    let refused = json!({ "description": "Refused; `code` tells why", "content": body(&refusal) });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Greenroom session control",
            "version": "1",
            "description": "Admission to sessions and what host and managers may do. Sound, picture \
                and data go through an engine that speaks LiveKit's protocol.",
        },
        "paths": {
            JOIN_PATH: { "post": {
                "summary": "Asks to join",
                "description": "Keeps a place for 15 s, until the engine sees the user.",
                "requestBody": { "required": true, "content": body(&join) },
                "responses": {
                    "200": { "description": "Admitted", "content": body(&admitted) },
                    "default": refused,
                },
            } },
            ACTION_PATH: { "post": {
                "summary": "Does something in the session",
                "security": [{ "ticket": [] }],
                "requestBody": { "required": true, "content": body(&action) },
                "responses": { "204": { "description": "Done" }, "default": refused },
            } },
            CONTROL_PATH: { "get": {
                "summary": "WebSocket of session control",
                "description": "Text messages: `x-client-message` one way, `x-server-message` the \
                    other. The first one joins or resumes.",
                "responses": { "101": { "description": "Switching protocols" } },
                "x-client-message": client,
                "x-server-message": server,
            } },
        },
        "components": {
            "securitySchemes": { "ticket": { "type": "http", "scheme": "bearer" } },
            "schemas": generator.take_definitions(true),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = describe();
        let text = document.to_string();
        let mut found = 0;
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            found += 1;
        }
        assert!(found > 10, "{found}");
    }
}
