import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from drawbar.bank.tensors import TensorReader, TensorWriter
from drawbar.errors import BankError


def test_pieces_give_the_file_that_safetensors_reads(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    matrix = np.arange(12, dtype=np.float16).reshape(6, 2)
    with TensorWriter(path) as writer:
        assert writer.append("matrix", matrix[:4]) == 0
        assert writer.append("row", np.array([7, 8], np.uint16)) == 0
        assert writer.append("matrix", matrix[4:]) == 4
        assert not path.exists()
    stored = load_file(path)
    np.testing.assert_array_equal(stored["matrix"], matrix)
    np.testing.assert_array_equal(stored["row"], [7, 8])
    assert writer.mark == {
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def test_rows_are_read_by_slice_and_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    matrix = np.arange(20, dtype=np.float32).reshape(10, 2)
    with TensorWriter(path) as writer:
        writer.append("m", matrix)
    reader = TensorReader(path)
    np.testing.assert_array_equal(reader.slice("m", 2, 5), matrix[2:5])
    np.testing.assert_array_equal(reader.take("m", [9, 0, 9]), matrix[[9, 0, 9]])
    assert reader.take("m", []).shape == (0, 2)
    with pytest.raises(BankError, match="no rows"):
        reader.slice("m", 5, 11)
    with pytest.raises(BankError, match="no rows"):
        reader.all("n")


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with TensorWriter(path) as writer:
        writer.append("m", np.zeros(3, np.float32))
    before = path.read_bytes()

    def fail() -> None:
        with TensorWriter(path) as writer:
            writer.append("m", np.ones(9, np.float32))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == before


def test_rows_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    with TensorWriter(tmp_path / "t") as writer:
        writer.append("m", np.zeros((1, 2), np.float32))
        for other in (np.zeros((1, 3), np.float32), np.zeros((1, 2), np.float16)):
            with pytest.raises(BankError, match="do not continue"):
                writer.append("m", other)


def test_a_file_without_tensors_can_be_read(tmp_path: Path) -> None:
    with TensorWriter(tmp_path / "t"):
        pass
    assert TensorReader(tmp_path / "t").shapes() == {}


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with TensorWriter(path) as writer:
        writer.append("m", np.zeros(300, np.float32))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BankError, match="damaged"):
        TensorReader(path)
