"""KMS: secrets of operational endpoints and sources, encrypted under the deployment's own key."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookwatch import aws

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_LONGEST = 4096  # bytes that one call of KMS Encrypt takes (KMS API reference)


class Encryption:
    """Encrypts and decrypts under one KMS key.

    The context binds a ciphertext to what it belongs to: decrypted under another context, it fails.
    """

    def __init__(self, key_arn: str) -> None:
        self._key_arn = key_arn
        self._kms: KMSClient = aws.client("kms")

    def encrypt(self, plaintext: bytes, **context: str) -> list[bytes]:
        """The ciphertexts of `plaintext`, one for every 4,096 bytes of it."""
        return [
            self._kms.encrypt(KeyId=self._key_arn, Plaintext=part, EncryptionContext=context)["CiphertextBlob"]
            for part in _parts(plaintext)
        ]

    def decrypt(self, ciphertexts: list[bytes], **context: str) -> bytes:
        return b"".join(
            self._kms.decrypt(KeyId=self._key_arn, CiphertextBlob=part, EncryptionContext=context)["Plaintext"]
            for part in ciphertexts
        )


def _parts(plaintext: bytes) -> Iterator[bytes]:
    for start in range(0, len(plaintext), _LONGEST):
        yield plaintext[start : start + _LONGEST]
