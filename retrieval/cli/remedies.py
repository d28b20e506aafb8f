"""What to do about an error, in the command line's words: with the names of its commands and options."""

from retrieval.errors import Remedy, RetrievalError

WORDS = {
    Remedy.MAKE_INDEX: "make one with `retrieval index FOLDER`",
    Remedy.UPDATE_INDEX: "run `retrieval index`",
    Remedy.NEW_INDEX: "index into a new folder with --index",
    Remedy.OTHER_INDEX_FOLDER: "choose another folder with --index",
    Remedy.REPAIR: "run `retrieval verify --repair`",
    Remedy.RESTORE_OR_NEW_INDEX: "restore it from a backup, or index into a new folder with --index",
    Remedy.UPGRADE_OR_NEW_INDEX: "upgrade retrieval, or index into a new folder with --index",
    Remedy.NAME_FOLDER: "name a folder of photos, as in `retrieval index FOLDER`",
    Remedy.MOUNT_OR_RELOCATE: "mount its disk; or, if it has moved, say where it is now with "
    "`retrieval relocate {root} FOLDER`; or name the folders to index",
    Remedy.MOUNT_OR_ALLOW_EMPTY: "mount its disk; or, if you did delete them all, run again with --allow-empty",
    Remedy.OTHER_MODEL: "give another checkpoint with --model",
    Remedy.SAME_MODEL_OR_NEW_INDEX: "give the same weights with --model, or index into a new folder with --index",
    Remedy.DOWNLOAD_AGAIN: "give another checkpoint with --model, or download this one again",
    Remedy.CHECKPOINT_OR_MIRROR: "give a checkpoint file with --model PATH, set HF_ENDPOINT to a mirror, or fetch it "
    "once where there is a connection",
    Remedy.OTHER_PRECISION: "choose another --precision",
    Remedy.OTHER_ENGINE: "choose another --engine",
    Remedy.OTHER_DEVICE: "choose another with --device, or cpu",
    Remedy.CPU: "choose --device cpu",
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
    Remedy.LIST_RUNS: "choose one of those that `retrieval dedupe runs` lists",
    Remedy.KEEP_RULES: "choose for --keep among {rules}",
    Remedy.OTHER_HOLDING_FOLDER: "choose another folder with --to",
    Remedy.HOLD_INSTEAD: "move it to a folder with --to DIR",
    Remedy.RESUME_OR_UNDO: "run the same command again, or `retrieval dedupe undo`, once that is fixed",
}


def in_words(error: RetrievalError) -> str:
    """Say what happened and what to do; what names no option is said as the library says it."""
    if error.remedy not in WORDS:
        return str(error)
    return f"{error.what}: {WORDS[error.remedy].format_map(error.details)}"
