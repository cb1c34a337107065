//! Ids in paths, proven.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use schemas::{
    Currency, DepositId, ErrorCode, GatewayName, PaymentId, RefundId, TransferId, UserId, WalletId,
    WithdrawalId,
};

use super::fields;
use super::problem::Problem;

/// A path with one id in it.
macro_rules! id_path {
    ($(#[$doc:meta])* $path:ident($id:ty), $name:literal) => {
        $(#[$doc])*
        pub(super) struct $path(pub $id);

        impl<S: Send + Sync> FromRequestParts<S> for $path {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let path = Path::<String>::from_request_parts(parts, state).await;
                let Path(id) = path.map_err(garbled)?;
                fields::parse($name, &id).map(Self)
            }
        }
    };
}

id_path!(
    /// `/wallets/{wallet_id}/…`
    WalletPath(WalletId), "wallet_id"
);
id_path!(
    /// `/payments/{payment_id}/…`
    PaymentPath(PaymentId), "payment_id"
);
id_path!(
    /// `/refunds/{refund_id}/…`
    RefundPath(RefundId), "refund_id"
);
id_path!(
    /// `/transfers/{transfer_id}`
    TransferPath(TransferId), "transfer_id"
);
id_path!(
    /// `/deposits/{deposit_id}/…`
    DepositPath(DepositId), "deposit_id"
);
id_path!(
    /// `/withdrawals/{withdrawal_id}/…`
    WithdrawalPath(WithdrawalId), "withdrawal_id"
);

/// `/wallets/{user_id}/{currency}/…`
pub(super) struct OwnerPath(pub UserId, pub Currency);

/// `/gateways/{name}/…`; a name that no gateway can have is that of none.
pub(super) struct GatewayPath(pub GatewayName);

impl<S: Send + Sync> FromRequestParts<S> for OwnerPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((user, currency)) = path.map_err(garbled)?;
        Ok(Self(fields::parse("user_id", &user)?, fields::currency(&currency)?))
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
