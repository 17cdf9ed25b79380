"""The reference pages of the documents, made from the code.

Owns: one module for each kind of page, and the tables that they share.
Does not own: any text; that stands beside what it describes. Imports: `speechtune`, `speechtune_server`,
`speechtune_client`, typer; grpcio-tools where the protocol is read.
"""
