//! Passwords: what we accept, and argon2id hashes of them in their place (RFC 9106).
//!
//! A hash costs 19 MiB and tens of milliseconds by design, so it is made on a blocking thread, few at a time.

use std::fmt;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// In characters.
const LENGTH_MIN: usize = 10;

/// In characters: nobody types more, and hashing it would be free work for an attacker.
const LENGTH_MAX: usize = 500;

/// Hashes at the same time: bounds the memory that sign-ins can take.
const AT_ONCE: usize = 4;

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The algorithm refused, or the stored hash is none.
    #[error("argon2 refused")]
    Algorithm(#[from] password_hash::Error),
    /// The stored hash is no PHC string.
    #[error("the stored hash is malformed")]
    Stored(#[from] argon2::password_hash::phc::Error),
    /// The thread died.
    #[error("hashing was cut off")]
    Thread(#[from] JoinError),
}

/// A new password that we accept. Not shown by `Debug`.
pub(crate) struct Password(String);

impl Password {
    /// Reads what someone chose; the error is for them.
    pub(crate) fn parse(typed: String) -> Result<Self, String> {
        match typed.chars().count() {
            ..LENGTH_MIN => Err(format!("Choose a password of at least {LENGTH_MIN} characters.")),
            LENGTH_MIN..=LENGTH_MAX => Ok(Self(typed)),
            _ => Err(format!("Choose a password of at most {LENGTH_MAX} characters.")),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A hashed password, as a PHC string.
#[derive(Debug, Clone)]
pub(crate) struct Hash(pub(crate) String);

/// Hashes and compares passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    nobodys: Hash,
}

impl Passwords {
    /// Makes the hash that stands in for that of an unknown account.
    pub(crate) fn new() -> Result<Self, Error> {
        let nobodys = hash(&rand::random::<[u8; 32]>())?;
        Ok(Self { slots: Arc::new(Semaphore::new(AT_ONCE)), nobodys })
    }

    /// The hash of a new password, with a salt of its own.
    pub(crate) async fn hash(&self, password: Password) -> Result<Hash, Error> {
        self.run(move || hash(password.0.as_bytes())).await
    }

    /// Whether `typed` is the password of `hash`. Takes the same time when there is no hash, and is false then.
    pub(crate) async fn verify(&self, typed: String, hash: Option<Hash>) -> Result<bool, Error> {
        // Nobody has such a password, whoever they are, so this tells nothing either.
        if typed.chars().count() > LENGTH_MAX {
            return Ok(false);
        }
        let is_somebodys = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        let matches = self.run(move || verify(typed.as_bytes(), &hash)).await?;
        Ok(matches && is_somebodys)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = self.slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        // The slot is held by the thread: a client that goes away does not stop the hashing.
        spawn_blocking(move || {
            let _slot = slot;
            work()
        })
        .await?
    }
}

fn hash(password: &[u8]) -> Result<Hash, Error> {
    Ok(Hash(Argon2::default().hash_password(password)?.to_string()))
}

fn verify(typed: &[u8], hash: &Hash) -> Result<bool, Error> {
    let hash = PasswordHash::new(&hash.0)?;
    match Argon2::default().verify_password(typed, &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(Password::parse("correct horse".to_owned()).unwrap()).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horsf".to_owned(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new().unwrap();
        assert!(!passwords.verify(String::new(), None).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_password_is_not_even_hashed() {
        let passwords = Passwords::new().unwrap();
        passwords.slots.close();
        assert!(!passwords.verify("x".repeat(LENGTH_MAX + 1), None).await.unwrap());
    }

    #[test]
    fn passwords_have_10_to_500_characters() {
        let parse = |length: usize| Password::parse("ü".repeat(length)).is_ok();
        assert_eq!([9, 10, 500, 501].map(parse), [false, true, true, false]);
    }
}
