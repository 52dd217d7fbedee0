//! The two endpoints that a client needs, over one connection's requests.
//!
//! Decides nothing about tokens (see [`super::tokens`]) and logs no header and no body.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::log::{Endpoint, Phase};
use super::tokens::{Pair, Refusal};
use super::{Rotation, Shared};

/// The text that the model "says": a client that prints it has had an answer.
pub const ANSWER: &str = "lab-answer";

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let endpoint = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/oauth/token") => Endpoint::Token,
        (&Method::POST, "/v1/messages") => Endpoint::Messages,
        _ => Endpoint::Other,
    };
    let access = bearer(&request).map(str::to_owned);
    // A body that breaks off is an empty one: the request is then refused like any other bad one.
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let mut pending = Pending::new(shared, endpoint);
    let (answer, refusal) = match endpoint {
        Endpoint::Token => token(&mut pending, &body).await,
        Endpoint::Messages => (messages(&pending, access.as_deref(), &body), None),
        Endpoint::Other => (not_found(), None),
    };
    pending.answered(answer.status(), refusal);
    Ok(answer)
}

/// A request between its arrival and its answer. Hyper drops the handler when the client closes the connection, so
/// one that is dropped unanswered belongs to a client that did not wait.
struct Pending {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    number: usize,
    generation: Option<usize>,
    answered: bool,
}

impl Pending {
    fn new(shared: Arc<Shared>, endpoint: Endpoint) -> Self {
        let number = shared.next_request();
        Self { shared, endpoint, number, generation: None, answered: false }
    }

    fn log(&self, phase: Phase, refusal: Option<Refusal>) {
        self.shared.log.push(self.number, self.endpoint, phase, self.generation, refusal);
    }

    fn answered(&mut self, status: StatusCode, refusal: Option<Refusal>) {
        self.answered = true;
        let status = status.as_u16();
        self.log(Phase::Answered { status }, refusal);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.log(Phase::Dropped, None);
        }
    }
}

async fn token(pending: &mut Pending, body: &[u8]) -> (Answer, Option<Refusal>) {
    let shared = Arc::clone(&pending.shared);
    let refresh = refresh_token(body).unwrap_or_default();
    pending.generation = shared.family.lock().generation(&refresh);
    pending.log(Phase::Arrived, None);
    let delay = shared.take_delay();
    let outcome = match shared.rotation {
        Rotation::OnArrival => {
            let outcome = shared.family.lock().rotate(&refresh);
            tokio::time::sleep(delay).await;
            outcome
        }
        Rotation::OnAnswer => {
            tokio::time::sleep(delay).await;
            shared.family.lock().rotate(&refresh)
        }
    };
    match outcome {
        Ok(pair) => (granted(&pair), None),
        Err(refusal) => (
            as_json(
                StatusCode::BAD_REQUEST,
                &json!({
                    "error": "invalid_grant",
                    "error_description": "Refresh token not found or invalid",
                }),
            ),
            Some(refusal),
        ),
    }
}

fn messages(pending: &Pending, access: Option<&str>, body: &[u8]) -> Answer {
    pending.log(Phase::Arrived, None);
    let accepted = access.is_some_and(|access| pending.shared.family.lock().accepts(access));
    if !accepted {
        return as_json(
            StatusCode::UNAUTHORIZED,
            &json!({
                "type": "error",
                "error": {
                    "type": "authentication_error",
                    "message": "OAuth token has expired or been revoked",
                },
            }),
        );
    }
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let model = request["model"].as_str().unwrap_or("lab-model");
    if request["stream"].as_bool() == Some(false) {
        return as_json(StatusCode::OK, &message(model, true));
    }
    respond(StatusCode::OK, "text/event-stream; charset=utf-8", stream(model))
}

fn message(model: &str, finished: bool) -> Value {
    let content = json!([{ "type": "text", "text": ANSWER }]);
    json!({
        "id": "msg_lab",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": if finished { content } else { json!([]) },
        "stop_reason": finished.then_some("end_turn"),
        "stop_sequence": null,
        "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
}

/// The server-sent events of a message of one text block.
fn stream(model: &str) -> String {
    let events = [
        json!({ "type": "message_start", "message": message(model, false) }),
        json!({
            "type": "content_block_start",
            "index": 0,
            "content_block": { "type": "text", "text": "" },
        }),
        json!({
            "type": "content_block_delta",
            "index": 0,
            "delta": { "type": "text_delta", "text": ANSWER },
        }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta",
            "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": 1 },
        }),
        json!({ "type": "message_stop" }),
    ];
    let mut text = String::new();
    for event in events {
        let name = event["type"].as_str().unwrap_or_default();
        text.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    text
}

fn granted(pair: &Pair) -> Answer {
    as_json(
        StatusCode::OK,
        &json!({
            "token_type": "Bearer",
            "access_token": pair.access,
            "refresh_token": pair.refresh,
            "expires_in": 3600,
            "scope": "user:inference user:profile user:sessions:claude_code",
            "organization": {
                "uuid": "00000000-0000-4000-8000-000000000001",
                "name": "Lab",
            },
            "account": {
                "uuid": "00000000-0000-4000-8000-000000000002",
                "email_address": "lab@example.invalid",
            },
        }),
    )
}

/// The refresh token of a request body, JSON or form.
fn refresh_token(body: &[u8]) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return value["refresh_token"].as_str().map(str::to_owned);
    }
    form_urlencoded::parse(body)
        .find(|(name, _)| name == "refresh_token")
        .map(|(_, value)| value.into_owned())
}

fn bearer(request: &Request<Incoming>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

fn not_found() -> Answer {
    as_json(
        StatusCode::NOT_FOUND,
        &json!({
            "type": "error",
            "error": { "type": "not_found_error", "message": "Not found" },
        }),
    )
}

fn as_json(status: StatusCode, value: &Value) -> Answer {
    respond(status, "application/json", value.to_string())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_form_bodies_are_read() {
        let json = br#"{"grant_type":"refresh_token","refresh_token":"a-1"}"#;
        assert_eq!(refresh_token(json).as_deref(), Some("a-1"));
        let form = b"grant_type=refresh_token&refresh_token=a%2D1";
        assert_eq!(refresh_token(form).as_deref(), Some("a-1"));
        assert_eq!(refresh_token(b"grant_type=x"), None);
        assert_eq!(refresh_token(b""), None);
    }

    #[test]
    fn the_stream_is_made_of_named_events() {
        let text = stream("m");
        assert!(text.starts_with("event: message_start\ndata: {"));
        assert!(text.ends_with("\n\n"));
        assert_eq!(text.matches("event: ").count(), 6);
    }
}
