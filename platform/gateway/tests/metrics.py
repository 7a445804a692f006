"""What engines said at `/metrics`, recorded, without the lines on what is no load; other figures can be put in."""


def vllm(running: float = 4, waiting: float = 2, cache_use: float = 0.2255845942228336, written: float = 82) -> str:
    """vLLM 0.32 that works at four calls at once and was given six."""
    return f"""\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="local"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="local"}} {waiting}
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{{engine="0",model_name="local",reason="capacity"}} 2.0
vllm:num_requests_waiting_by_reason{{engine="0",model_name="local",reason="deferred"}} 0.0
# TYPE vllm:engine_sleep_state gauge
vllm:engine_sleep_state{{engine="0",model_name="local",sleep_state="awake"}} 1.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="local"}} {cache_use}
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="local"}} {written}
# TYPE vllm:generation_tokens_created gauge
vllm:generation_tokens_created{{engine="0",model_name="local"}} 1.7953649683113163e+09
# TYPE vllm:request_generation_tokens histogram
vllm:request_generation_tokens_bucket{{engine="0",le="+Inf",model_name="local"}} 0.0
"""


def llama(running: float = 8, waiting: float = 2) -> str:
    """The packaged engine, which works at eight at once, a moment after it was given ten: it tells nothing of its cache."""
    return f"""\
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 0
# TYPE llamacpp:tokens_predicted_seconds_total counter
llamacpp:tokens_predicted_seconds_total 0
# TYPE llamacpp:n_tokens_max counter
llamacpp:n_tokens_max 35
# TYPE llamacpp:predicted_tokens_seconds gauge
llamacpp:predicted_tokens_seconds 0
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing {running}
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred {waiting}
# TYPE llamacpp:n_busy_slots_per_decode gauge
llamacpp:n_busy_slots_per_decode 1
"""
