"""Generated from `proto/speechtune/v1` by `python -m data_scripts.generate_stubs`: do not edit."""
