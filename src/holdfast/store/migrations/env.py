"""What Alembic runs to turn one party's migrations into SQL; `holdfast.store.migrate` says which and runs it."""

from alembic import context

context.configure(dialect_name="postgresql", transactional_ddl=False)
context.run_migrations()
