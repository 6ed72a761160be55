//! Certificates for everything in the tests that serves TLS on loopback.

use std::{error::Error, fs, os::unix::fs::symlink, path::Path, time::SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

pub(crate) struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "admit cluster tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Puts a new `tls.crt` and `tls.key` for 127.0.0.1 and localhost, and `ca.crt`, into `directory`; returns the
    /// certificate in DER, as a client sees it.
    ///
    /// The files lie and change as in a mounted Secret: each is a link through `..data`, and that one link is replaced,
    /// so that all change at once.
    pub(crate) fn issue(&self, directory: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;

        let version = format!("..{}", SystemTime::UNIX_EPOCH.elapsed()?.as_nanos());
        fs::create_dir_all(directory.join(&version))?;
        for (name, content) in
            [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem()), ("ca.crt", self.pem())]
        {
            fs::write(directory.join(&version).join(name), content)?;
            let link = directory.join(name);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("..data").join(name), link)?;
            }
        }
        symlink(&version, directory.join("..data_tmp"))?;
        fs::rename(directory.join("..data_tmp"), directory.join("..data"))?;
        Ok(certificate.der().to_vec())
    }
}
