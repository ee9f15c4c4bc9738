"""A bank and its model -> trials: what is tested is written down, screened, confirmed beside controls."""
