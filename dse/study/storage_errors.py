"""Errors of databases in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from dse.design.evaluation import first_line
from dse.study.storage import StoreError, hide_password

# What SQLAlchemy imports for a database (2.1 psycopg, before psycopg2), where pip knows it by another name.
PIP_NAMES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


@contextmanager
def one_line_errors(url: str, doing: str = "open") -> Iterator[None]:
    """Turn what Optuna and SQLAlchemy raise into a StoreError of one line: what was being done, where, the reason."""
    try:
        yield
    except StoreError:
        raise
    except ImportError as error:
        module = getattr(error.__cause__, "name", None) or error.name or str(error)
        raise StoreError(
            f"the storage {hide_password(url)} needs the package {module}: "
            f"pip install '{PIP_NAMES.get(module, module)}'"
        ) from error
    except Exception as error:  # within are Optuna and SQLAlchemy alone, which meet damaged rows in many ways
        cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        reason = first_line(getattr(cause, "orig", None) or cause)
        raise StoreError(f"cannot {doing} the storage {hide_password(url)}: {reason}") from error
