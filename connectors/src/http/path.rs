//! Ids in paths, proven.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use schemas::{Currency, PaymentId, UserId, WalletId};

use super::fields;
use super::problem::Problem;

/// `/wallets/{wallet_id}/…`
pub(super) struct WalletPath(pub WalletId);

/// `/wallets/{user_id}/{currency}/…`
pub(super) struct OwnerPath(pub UserId, pub Currency);

/// `/payments/{payment_id}/…`
pub(super) struct PaymentPath(pub PaymentId);

impl<S: Send + Sync> FromRequestParts<S> for WalletPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await.map_err(garbled)?;
        fields::parse("wallet_id", &id).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OwnerPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((user, currency)) = path.map_err(garbled)?;
        Ok(Self(fields::parse("user_id", &user)?, fields::currency(&currency)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PaymentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await.map_err(garbled)?;
        fields::parse("payment_id", &id).map(Self)
    }
}

fn garbled(rejection: impl std::fmt::Display) -> Problem {
    Problem::invalid_request("The path is not UTF-8.").caused_by(rejection)
}
