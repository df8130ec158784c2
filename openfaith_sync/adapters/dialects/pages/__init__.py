"""What every dialect does with pages and rows: proofs, windows over numbered pages, and ids."""
