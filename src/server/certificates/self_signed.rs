//! A certificate for demonstrations and tests, on this machine only.

/// A certificate authority of one's own and a certificate for loopback that it signed, as PEM.
#[derive(Debug)]
pub struct SelfSigned {
    /// The authority, for clients to trust.
    pub authority: String,
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`.
    pub key: String,
}

/// Makes a certificate for `localhost` and `127.0.0.1`: for demonstrations, on this machine only.
///
/// # Errors
/// When the keys cannot be made.
pub fn self_signed() -> Result<SelfSigned, rcgen::Error> {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "admit demo authority");
    let authority_key = rcgen::KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let leaf_key = rcgen::KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    Ok(SelfSigned {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: leaf_key.serialize_pem(),
    })
}
