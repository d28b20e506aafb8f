import pytest


@pytest.fixture(params=["csv", "json"])
def path(request, tmp_path):
    """Where to write a plan, in either form."""
    return tmp_path / f"plan.{request.param}"
