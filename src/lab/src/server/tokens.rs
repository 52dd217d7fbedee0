//! The login that the clients share: one family of single-use rotating refresh tokens.
//!
//! Pure: no clock, no I/O. Tokens are made up and never leave this module except in answers to clients; everything
//! else speaks of them by generation.

use serde::Serialize;

/// What the server does when a consumed refresh token comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Answers `invalid_grant`.
    Lenient,
    /// Answers `invalid_grant` and revokes the family: its newest tokens no longer work either.
    Strict,
}

/// An access token and the refresh token that was issued with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// For `/v1/messages`.
    pub access: String,
    /// For the next refresh; works once.
    pub refresh: String,
}

/// Why a refresh was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The token was of this family, but had been used.
    Reused {
        /// The generation of the used token.
        generation: usize,
    },
    /// The family had been revoked.
    Revoked,
    /// No token of this family.
    Unknown,
}

/// How a pair on disk compares with what the server would accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The newest pair, and it works.
    Current,
    /// Of this family, but used or replaced.
    Stale,
    /// Of a family that was revoked.
    Revoked,
    /// Not of this family.
    Unknown,
}

/// Every pair ever issued; the index is the generation.
pub struct TokenFamily {
    strictness: Strictness,
    pairs: Vec<Pair>,
    revoked: bool,
}

impl TokenFamily {
    /// A family whose first access token has expired already and whose first refresh token has not been used.
    pub fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            pairs: vec![Pair {
                access: "sk-ant-oat01-expired".to_owned(),
                refresh: "sk-ant-ort01-gen0".to_owned(),
            }],
            revoked: false,
        }
    }

    /// The pair that the scenario starts with.
    pub fn first(&self) -> &Pair {
        &self.pairs[0]
    }

    /// The generation of a refresh token, for logs.
    pub fn generation(&self, refresh: &str) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.refresh == refresh)
    }

    /// Uses a refresh token: the answer is the next pair.
    pub fn rotate(&mut self, refresh: &str) -> Result<Pair, Refusal> {
        let generation = self.generation(refresh).ok_or(Refusal::Unknown)?;
        if self.revoked {
            return Err(Refusal::Revoked);
        }
        if generation + 1 != self.pairs.len() {
            if self.strictness == Strictness::Strict {
                self.revoked = true;
            }
            return Err(Refusal::Reused { generation });
        }
        let next = self.pairs.len();
        let salt = fastrand::u64(..);
        let pair = Pair {
            access: format!("sk-ant-oat01-gen{next}-{salt:016x}"),
            refresh: format!("sk-ant-ort01-gen{next}-{salt:016x}"),
        };
        self.pairs.push(pair.clone());
        Ok(pair)
    }

    /// Whether an access token opens `/v1/messages`. The first one never does: it stands for an expired token.
    pub fn accepts(&self, access: &str) -> bool {
        !self.revoked && self.pairs.len() > 1 && self.newest().access == access
    }

    /// Whether reuse has ended the family.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Compares a pair with the newest one.
    pub fn standing(&self, access: &str, refresh: &str) -> Standing {
        let Some(generation) = self.generation(refresh) else {
            return Standing::Unknown;
        };
        if self.revoked {
            Standing::Revoked
        } else if generation + 1 == self.pairs.len() && self.pairs[generation].access == access {
            Standing::Current
        } else {
            Standing::Stale
        }
    }

    /// The pair that works.
    pub fn newest(&self) -> &Pair {
        self.pairs.last().unwrap_or_else(|| self.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotate(family: &mut TokenFamily, refresh: &str) -> Pair {
        family.rotate(refresh).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    #[test]
    fn a_refresh_token_works_once() {
        let mut family = TokenFamily::new(Strictness::Lenient);
        let first = family.first().clone();
        let second = rotate(&mut family, &first.refresh);
        assert_ne!(first.refresh, second.refresh);
        assert_eq!(family.rotate(&first.refresh).err(), Some(Refusal::Reused { generation: 0 }));
        assert!(family.accepts(&second.access));
        rotate(&mut family, &second.refresh);
        assert!(!family.accepts(&second.access));
    }

    #[test]
    fn strict_revokes_the_family_on_reuse() {
        let mut family = TokenFamily::new(Strictness::Strict);
        let first = family.first().clone();
        let second = rotate(&mut family, &first.refresh);
        assert!(family.accepts(&second.access));
        assert!(family.rotate(&first.refresh).is_err());
        assert!(!family.accepts(&second.access));
        assert_eq!(family.rotate(&second.refresh).err(), Some(Refusal::Revoked));
        assert_eq!(family.standing(&second.access, &second.refresh), Standing::Revoked);
    }

    #[test]
    fn an_unknown_token_revokes_nothing() {
        let mut family = TokenFamily::new(Strictness::Strict);
        assert_eq!(family.rotate("made up").err(), Some(Refusal::Unknown));
        let first = family.first().clone();
        rotate(&mut family, &first.refresh);
    }

    #[test]
    fn the_first_access_token_has_expired() {
        let family = TokenFamily::new(Strictness::Lenient);
        assert!(!family.accepts(&family.first().access));
    }

    #[test]
    fn standing_follows_rotation() {
        let mut family = TokenFamily::new(Strictness::Lenient);
        let first = family.first().clone();
        assert_eq!(family.standing(&first.access, &first.refresh), Standing::Current);
        let second = rotate(&mut family, &first.refresh);
        assert_eq!(family.standing(&first.access, &first.refresh), Standing::Stale);
        assert_eq!(family.standing(&second.access, &second.refresh), Standing::Current);
        assert_eq!(family.standing("x", "y"), Standing::Unknown);
    }
}
