"""Write a GGUF file's model out as a folder that vLLM reads: `python engines_convert.py FILE.gguf FOLDER`.

Run by path with the interpreter of vLLM's own environment, which has transformers and gguf and nothing of ours.
"""

import os
import sys
from pathlib import Path


def main(file: Path, folder: Path) -> None:
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="bfloat16")
    # The weights are plain again; what is left of the file's quantisation would be taken for one of them.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
