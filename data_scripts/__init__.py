"""The rough edges of the world: one importer or generator per file, each `main(argv) -> int`, run as a module.

Owns: making data sets out of what lies outside (archives, synthesisers, drafts of the wire). Does not own: what a data
set is (`speechtune.data`). Imports: anything of speechtune. Nothing imports these files but each other and the tests.
"""
