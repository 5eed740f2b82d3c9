//! Errors in Docker's form.

use crate::Error;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unimplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (
            self.status(),
            Json(serde_json::json!({ "message": self.to_string() })),
        )
            .into_response()
    }
}

/// What this API does not do, in words that say what to do instead.
pub(crate) async fn not_built(request: axum::extract::Request) -> Error {
    let path = request.uri().path();
    let what = path.split('/').nth(1).unwrap_or_default();
    Error::Unimplemented(format!("{what} is not built yet"))
}

/// No such route.
pub(crate) async fn no_such_page() -> Error {
    Error::NotFound("page not found".to_owned())
}
