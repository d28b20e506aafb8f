"""What to do about an error, in the command line's words: with the names of its commands and options."""

import shlex
from string import Formatter
from typing import Any

from retrieval.errors import Remedy, RetrievalError

WORDS = {
    Remedy.MAKE_INDEX: "create one with `retrieval index FOLDER`",
    Remedy.UPDATE_INDEX: "run `retrieval index`",
    Remedy.NEW_INDEX: "index into a new folder with --index",
    Remedy.OTHER_INDEX_FOLDER: "choose another folder with --index",
    Remedy.REPAIR: "run `retrieval verify --repair`",
    Remedy.REPAIR_AND_UPDATE: "run `retrieval verify --repair`, then `retrieval index`, which embeds the photos again",
    Remedy.RESTORE_OR_NEW_INDEX: "restore it from a backup, or index into a new folder with --index",
    Remedy.UPGRADE_OR_NEW_INDEX: "upgrade retrieval, or index into a new folder with --index",
    Remedy.NAME_FOLDER: "name a folder of photos, as in `retrieval index FOLDER`",
    Remedy.MOUNT_OR_RELOCATE: "mount its disk; or, if it has moved, tell where it is now with "
    "`retrieval relocate {root!q} FOLDER`; or name the folders to index",
    Remedy.MOUNT_OR_ALLOW_EMPTY: "mount its disk; or, if you did delete them all, run again with --allow-empty",
    Remedy.OTHER_MODEL: "give another checkpoint with --model",
    Remedy.SAME_MODEL_OR_NEW_INDEX: "give the same weights with --model, or index into a new folder with --index",
    Remedy.DOWNLOAD_AGAIN: "give another checkpoint with --model, or download this one again",
    Remedy.CHECKPOINT_OR_MIRROR: "give a checkpoint file with --model PATH, set HF_ENDPOINT to a mirror, or fetch it "
    "once where there is a connection",
    Remedy.KNOWN_MODEL: "known are {known}; others are --model hf://owner/repository, or the path of a .pt or "
    ".safetensors file",
    Remedy.SIMILAR_MODEL: "did you mean {similar}? Known are {known}; others are --model hf://owner/repository, or the "
    "path of a .pt or .safetensors file",
    Remedy.CHECKPOINT_FILE: "give the path of a .pt or .safetensors file with --model",
    Remedy.CHECKPOINT_OR_REPOSITORY: "give the path of a checkpoint with --model, or hf://{repository} for a "
    "repository of the hub",
    Remedy.PLAIN_WEIGHTS: "only plain weights are read: get them as .safetensors, or give another checkpoint with "
    "--model",
    Remedy.REWRITE_HEAD: "delete it and run `retrieval index`, which writes it again",
    Remedy.CHECKPOINT_OR_DOWNLOAD: "give a checkpoint file with --model PATH, or allow the download",
    Remedy.OTHER_INPUT_SIZE: "choose a multiple of {patch} with --input-size",
    Remedy.OTHER_PRECISION: "choose another --precision",
    Remedy.OTHER_PRECISION_OR_CPU: "choose another --precision, or --device cpu",
    Remedy.OTHER_PRECISION_OR_ENGINE: "choose another --precision or --engine",
    Remedy.OTHER_ENGINE: "choose another --engine",
    Remedy.OTHER_ENGINE_OR_DEVICE: "choose another --engine or --device",
    Remedy.INSTALL_ENGINE: "install it (`pip install {engine}`), or choose another --engine",
    Remedy.OTHER_DEVICE: "choose another with --device, or cpu",
    Remedy.CPU: "choose --device cpu",
    Remedy.CPU_OR_OTHER_PRECISION: "choose --device cpu, or another --precision",
    Remedy.AGAIN_OR_CPU: "run the same command again, or choose --device cpu; what was done is kept",
    Remedy.FREE_MEMORY_OR_CPU: "close what else uses it, or choose --device cpu",
    Remedy.RESTORE_NETWORK: "restore int8.json, int8.xml and int8.bin from a backup, or index into a new folder with "
    "--index",
    Remedy.CALIBRATE: "create an index with `retrieval index FOLDER --precision int8`, or choose another --precision",
    Remedy.MORE_PHOTOS_OR_PRECISION: "add more folders, or index into a new folder with --index and another "
    "--precision",
    Remedy.LIST_SPECIES: "`retrieval list --by-species` lists those you have; a pattern such as '*warbler*' stands for "
    "many",
    Remedy.FIND_AGAIN: "run `retrieval dedupe find` again",
    Remedy.UPGRADE_OR_FIND_AGAIN: "upgrade retrieval, or run `retrieval dedupe find` again",
    Remedy.EDIT_PLAN: "correct the plan, or run `retrieval dedupe find` again; nothing was changed",
    Remedy.RESTORE_COLUMNS: "restore them, or run `retrieval dedupe find` again; to see fewer columns, hide them",
    Remedy.OTHER_FILE_NAME: "choose another name, or replace it with --overwrite",
    Remedy.UPDATE_AND_FIND_AGAIN: "run `retrieval index`, then `retrieval dedupe find` again",
    Remedy.OTHER_MODE: "choose one of --to, --trash, --hardlink, --reflink and --delete",
    Remedy.EXACT_ONLY: "leave out --kinds, or move the files instead of linking them",
    Remedy.MOUNT_AND_UNDO: "mount its disk, then run `retrieval dedupe undo` again",
    Remedy.MAKE_ROOM_AND_UNDO: "move that file elsewhere, then run `retrieval dedupe undo` again",
    Remedy.RUN_AS_OWNER: "run as that user or as an administrator, or choose a folder on the same disk with --to",
    Remedy.LIST_RUNS: "choose one of those that `retrieval dedupe runs` lists",
    Remedy.INDEX_REFERENCE: "check the folder given with --reference, or add it with `retrieval index FOLDER`",
    Remedy.KEEP_RULES: "choose for --keep among {rules}",
    Remedy.OTHER_HOLDING_FOLDER: "choose another folder with --to",
    Remedy.HOLD_INSTEAD: "move it to a folder with --to DIR",
    Remedy.RESUME_OR_UNDO: "run the same command again, or `retrieval dedupe undo`, once that is fixed",
}


def in_words(error: RetrievalError) -> str:
    """Say what happened and what to do; a remedy without words here is put in the library's."""
    if error.remedy not in WORDS:
        return str(error)
    return f"{error.what}: {_Words().vformat(WORDS[error.remedy], (), error.details)}"


def advice(remedy: Remedy) -> str:
    """Say what to do, for a remedy without details."""
    return WORDS.get(remedy, remedy.value)


class _Words(Formatter):
    """Writes {name!q} quoted for a shell."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return shlex.quote(str(value)) if conversion == "q" else super().convert_field(value, conversion)
