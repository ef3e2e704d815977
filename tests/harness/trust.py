# SPDX-License-Identifier: LGPL-2.1-or-later
"""TLS between hosts: a certificate authority of the test's own."""

import itertools
import os

from . import space

_numbers = itertools.count(1)

EXTENSIONS = """[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[peer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""


class Authority:
    """Signs certificates; keys are elliptic curves, which are quick to make."""

    def __init__(self, name="Test CA"):
        self.dir = os.path.join(space.enter(), f"authority{next(_numbers)}")
        os.makedirs(self.dir)
        self._key("ca")
        self._sign("ca", f"/CN={name}", "ca", "DNS:none", self_signed=True)

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _key(self, name):
        space.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout",
                  "-out", self._path(name + ".key"))

    def _sign(self, name, subject, section, names, self_signed=False):
        with open(self._path(name + ".ext"), "w") as f:
            f.write(EXTENSIONS.format(names=names))
        space.run("openssl", "req", "-new", "-key", self._path(name + ".key"), "-subj", subject,
                  "-out", self._path(name + ".csr"))
        signer = ("-signkey", self._path("ca.key")) if self_signed else \
            ("-CA", self._path("ca.pem"), "-CAkey", self._path("ca.key"), "-CAcreateserial")
        space.run("openssl", "x509", "-req", "-days", "30", "-in", self._path(name + ".csr"), *signer,
                  "-extfile", self._path(name + ".ext"), "-extensions", section,
                  "-out", self._path(name + ".pem"))

    def equip(self, host, trusting=None):
        """Gives the host's daemon a certificate, for both ends of a connection, made out to the host's name
        and any address of the links; it believes this authority, or the one in `trusting`. A daemon that
        runs already has to be restarted to serve it."""
        if not os.path.exists(self._path(host.name + ".pem")):
            self._key(host.name)
            addresses = ", ".join(f"IP:10.77.{n}.{end}" for n in range(1, 30) for end in (1, 2))
            self._sign(host.name, f"/CN={host.name}", "peer", f"DNS:{host.name}, {addresses}")
        pki = os.path.join(host.dir, "pki")
        os.makedirs(os.path.join(pki, "CA"), exist_ok=True)
        os.makedirs(os.path.join(pki, "libvirt/private"), exist_ok=True)
        (trusting or self)._put("ca.pem", os.path.join(pki, "CA/cacert.pem"))
        for end in ("server", "client"):
            self._put(host.name + ".pem", os.path.join(pki, f"libvirt/{end}cert.pem"))
            self._put(host.name + ".key", os.path.join(pki, f"libvirt/private/{end}key.pem"))

    def _put(self, name, path):
        with open(self._path(name), "rb") as source, open(path, "wb") as f:
            f.write(source.read())
