//! The HTTP door: events in, and what the server says of itself out.
//!
//! 202 comes when the good events of a request are safe on the disk. Who is turned away (429, 503) sends the
//! same events again: with the same ids they count once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::body::lines_of;
use super::hall::{Answer, Hall, Post, TurnedAway, Visit};
use crate::base::Problem;

/// The number of this door.
const DOOR: u8 = 0;
/// A request must have come within this time; until then it holds up the watermark.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// When to come again, in seconds.
const RETRY_AFTER: &str = "1";

/// What requests need.
#[derive(Clone)]
pub struct Http {
    pub hall: Arc<Hall>,
    /// Requests for events and metrics must show it.
    pub token: Option<Arc<str>>,
    pub body_bytes: usize,
}

/// The paths of the door.
pub fn router(http: Http) -> Router {
    Router::new()
        .route("/events", post(events))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(http)
}

async fn ready(State(http): State<Http>) -> Response {
    match http.hall.is_ready() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn metrics(State(http): State<Http>, request: Request) -> Response {
    if !is_trusted(&http, &request) {
        return untrusted();
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, http.hall.numbers.prometheus()).into_response()
}

async fn events(State(http): State<Http>, request: Request) -> Response {
    if !is_trusted(&http, &request) {
        return untrusted();
    }
    let visit = match http.hall.enter(DOOR) {
        Ok(visit) => visit,
        Err(TurnedAway::Full) => {
            return turned_away(StatusCode::TOO_MANY_REQUESTS, "too many events wait; send these again");
        }
        Err(TurnedAway::Closing) => {
            return turned_away(StatusCode::SERVICE_UNAVAILABLE, "the server is ending; send these again");
        }
    };
    let body = match received(request.into_body(), &http).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    match lines_of(body) {
        Ok(lines) => answered(lines, visit, &http).await,
        Err(what) => said(StatusCode::BAD_REQUEST, &what),
    }
}

/// The whole body, if it comes in time and is not too long.
async fn received(body: Body, http: &Http) -> Result<Vec<u8>, Response> {
    match tokio::time::timeout(REQUEST_TIME, axum::body::to_bytes(body, http.body_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) => {
            http.hall.broke_off();
            let is_long = error.to_string().contains("limit");
            let code = if is_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            let most = format!("the body was not taken ({error}); {} bytes are the most", http.body_bytes);
            Err(said(code, &most))
        }
        Err(_) => {
            http.hall.broke_off();
            Err(said(StatusCode::REQUEST_TIMEOUT, "the body did not come within 30 seconds"))
        }
    }
}

async fn answered(lines: Vec<u8>, visit: Visit, http: &Http) -> Response {
    let (answer, answered) = oneshot::channel();
    http.hall.post(Post { door: DOOR, lines, answer, visit });
    match answered.await {
        Ok(Answer::Taken { accepted, refused }) => {
            let is_bad = accepted == 0 && !refused.is_empty();
            let code = if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED };
            with_json(code, taken(accepted, &json!(refused), refused.len()))
        }
        Ok(Answer::Failed(problem)) => failed(&problem),
        Err(_) => turned_away(StatusCode::SERVICE_UNAVAILABLE, "the server is ending; send these again"),
    }
}

/// What became of the lines of a request or a group.
pub fn taken(accepted: u64, refused: &Value, refused_count: usize) -> Value {
    json!({ "read": accepted + refused_count as u64, "accepted": accepted, "rejected": refused })
}

fn failed(problem: &Problem) -> Response {
    let document = json!({ "problem": problem });
    let retry = [(header::RETRY_AFTER, RETRY_AFTER)];
    (retry, with_json(StatusCode::SERVICE_UNAVAILABLE, document)).into_response()
}

fn turned_away(code: StatusCode, what: &str) -> Response {
    ([(header::RETRY_AFTER, RETRY_AFTER)], said(code, what)).into_response()
}

fn said(code: StatusCode, what: &str) -> Response {
    with_json(code, json!({ "problem": { "what": what } }))
}

fn with_json(code: StatusCode, document: Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{document}\n")).into_response()
}

fn untrusted() -> Response {
    said(StatusCode::UNAUTHORIZED, "show the token: Authorization: Bearer …")
}

fn is_trusted(http: &Http, request: &Request) -> bool {
    let Some(token) = &http.token else { return true };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    shown.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|shown| is_same(shown, token))
}

/// Compares without telling by the time it takes how much of it is right.
pub fn is_same(shown: &str, token: &str) -> bool {
    let apart = shown.bytes().zip(token.bytes()).fold(0, |apart, (a, b)| apart | (a ^ b));
    shown.len() == token.len() && apart == 0
}
