//! Ids in paths, proven.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use schemas::{Currency, ErrorCode, GatewayName, PaymentId, UserId, WalletId};

use super::fields;
use super::problem::Problem;

/// `/wallets/{wallet_id}/…`
pub(super) struct WalletPath(pub WalletId);

/// `/wallets/{user_id}/{currency}/…`
pub(super) struct OwnerPath(pub UserId, pub Currency);

/// `/payments/{payment_id}/…`
pub(super) struct PaymentPath(pub PaymentId);

/// `/gateways/{name}/…`; a name that no gateway can have is that of none.
pub(super) struct GatewayPath(pub GatewayName);

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

impl<S: Send + Sync> FromRequestParts<S> for GatewayPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(garbled)?;
        name.parse().map(Self).map_err(|_| Problem::of(ErrorCode::GatewayNotFound))
    }
}

fn garbled(rejection: impl std::fmt::Display) -> Problem {
    Problem::invalid_request("The path is not UTF-8.").caused_by(rejection)
}
