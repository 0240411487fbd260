//! Who asks, and what the role allows.

use serde::Serialize;
use sluice_config::Role;
use utoipa::ToSchema;

/// One thing that a principal may do. The names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub(crate) enum Permission {
    #[serde(rename = "queue:read")]
    QueueRead,
    #[serde(rename = "queue:write")]
    QueueWrite,
    #[serde(rename = "queue:reset")]
    QueueReset,
    #[serde(rename = "session:read")]
    SessionRead,
    #[serde(rename = "session:write")]
    SessionWrite,
    #[serde(rename = "audit:read")]
    AuditRead,
    #[serde(rename = "system:read")]
    SystemRead,
    #[serde(rename = "webhook:write")]
    WebhookWrite,
    #[serde(rename = "key:write")]
    KeyWrite,
}

impl Permission {
    /// The API's name of it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueRead => "queue:read",
            Self::QueueWrite => "queue:write",
            Self::QueueReset => "queue:reset",
            Self::SessionRead => "session:read",
            Self::SessionWrite => "session:write",
            Self::AuditRead => "audit:read",
            Self::SystemRead => "system:read",
            Self::WebhookWrite => "webhook:write",
            Self::KeyWrite => "key:write",
        }
    }

    /// What a role may do.
    pub(crate) fn of(role: Role) -> &'static [Self] {
        match role {
            Role::Viewer => &[Self::QueueRead],
            Role::Manager => &[
                Self::QueueRead,
                Self::QueueWrite,
                Self::SessionRead,
                Self::SessionWrite,
                Self::AuditRead,
                Self::WebhookWrite,
            ],
            Role::Auditor => &[Self::QueueRead, Self::AuditRead, Self::SystemRead],
            Role::Admin => &[
                Self::QueueRead,
                Self::QueueWrite,
                Self::QueueReset,
                Self::SessionRead,
                Self::SessionWrite,
                Self::AuditRead,
                Self::SystemRead,
                Self::WebhookWrite,
                Self::KeyWrite,
            ],
        }
    }
}

/// How a principal has shown who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Via {
    /// A token of `sluice admin token`.
    Token,
    /// The dashboard's cookie.
    Session,
    /// A key of `[[admin.key]]`.
    Key,
    /// A token of `[admin.issuer]`.
    Issuer,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// What the audit log calls it.
    pub(crate) id: String,
    pub(crate) via: Via,
    pub(crate) role: Role,
    /// `None`: all.
    pub(crate) tenants: Option<Vec<String>>,
}

impl Principal {
    pub(crate) fn may(&self, permission: Permission) -> bool {
        Permission::of(self.role).contains(&permission)
    }

    /// Whether this tenant exists for it.
    pub(crate) fn sees(&self, tenant: &str) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|seen| seen == tenant))
    }
}
