"""A fixture: the address of a bucket on an S3 server at 127.0.0.1."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a bucket on an S3 server at 127.0.0.1; what is started afterwards knows how to reach it."""
    moto = pytest.importorskip("moto.server", reason="needs moto's S3 server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket = f"runs-{port}"  # what an earlier module wrote is still in this process
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import fsspec

        # It would still know an earlier module's server.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir(bucket)
        yield f"s3://{bucket}"
    server.stop()
