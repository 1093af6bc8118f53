//! Reads a request's parts; what cannot be read is refused in the API's own words.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use foodtrack_contract::{Cursor, ErrorCode, Refusal};
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::hub::Hub;

/// The body as text, not larger than a message may be.
pub(crate) struct Text(pub(crate) String);

impl FromRequest<Arc<Hub>> for Text {
    type Rejection = ApiError;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let bytes_max = hub.config.said().limits.payload_bytes_max;
        let body = Bytes::from_request(request, hub).await.map_err(|_| too_large(bytes_max))?;
        if body.len() > usize::try_from(bytes_max).unwrap_or(usize::MAX) {
            return Err(too_large(bytes_max));
        }
        match String::from_utf8(body.into()) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(malformed("the body is not UTF-8 text").into()),
        }
    }
}

fn too_large(bytes_max: u32) -> ApiError {
    Refusal::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {bytes_max} bytes"))
        .into()
}

/// The body as a JSON object of one shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Hub>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let Text(text) = Text::from_request(request, hub).await?;
        // A list of its members in their order would be read as the object, too.
        if text.trim_start().starts_with('[') {
            return Err(malformed("the body is a list; send an object").at("", "type").into());
        }
        Ok(Self(read(&text)?))
    }
}

/// Reads JSON; the refusal points at what does not fit.
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        malformed(format!("the body does not fit: {}", error.inner())).at(pointer, "type")
    })?;
    reader.end().map_err(|_| malformed("the body goes on after its JSON value"))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

pub(crate) fn malformed(sentence: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::MessageMalformed, sentence)
}

/// Reads a cursor of the query.
///
/// # Errors
/// [`ErrorCode::MessageMalformed`]: the text is none.
pub(crate) fn cursor(text: &str) -> Result<Cursor, Refusal> {
    Cursor::parse(text).ok_or_else(|| {
        malformed("a cursor is what an answer or an event ends with, such as 1k3f9z-42")
            .at("/cursor", "pattern")
    })
}

/// The named parts of the path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let unreadable =
            |error: PathRejection| malformed(format!("the path: {}", error.body_text()));
        let Path(segments) = Path::from_request_parts(parts, state).await.map_err(unreadable)?;
        Ok(Self(segments))
    }
}

/// How many things of a list may be asked for at once.
const LISTED_MAX: usize = 1_000;

/// Whether so many may be asked for; a bound that is not said would be a list that ends too early.
pub(crate) fn check_limit(limit: Option<usize>) -> Result<(), Refusal> {
    if limit.is_none_or(|limit| (1..=LISTED_MAX).contains(&limit)) {
        return Ok(());
    }
    Err(malformed(format!("limit is from 1 to {LISTED_MAX}")).at("/limit", "maximum"))
}

/// The query's parameters.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(malformed(format!("the query: {}", error.body_text())).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foodtrack_shard::RoomMetadata;

    #[test]
    fn a_body_that_does_not_fit_is_refused_at_its_place() {
        let refusal = read::<RoomMetadata>(r#"{"tags":["a",7]}"#).unwrap_err();
        assert_eq!(refusal.pointer(), Some("/tags/1"));
        let refusal = read::<RoomMetadata>("{} {}").unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::MessageMalformed);
    }
}
