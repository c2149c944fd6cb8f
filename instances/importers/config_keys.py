"""Keys of a transformer's ``config.json``: those that state sizes, those that change none, and those not known.

What is not listed may change a size or a time, and is refused by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

WAY_ON = (
    "read the weights instead (the model's folder with its safetensors, or a GGUF file), which need no such knowledge, "
    "or write the layers as an instance file"
)

#: Types of which something is known that has no place here yet, and what.
STATE = "state-space or recurrent layers keep a state, not a cache of tokens"
OUTSIDE = {
    **dict.fromkeys(
        (
            *("mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv5", "rwkv6", "rwkv7", "recurrent_gemma", "xlstm"),
            *("jamba", "zamba", "zamba2", "bamba", "nemotron_h", "granitemoehybrid", "falcon_h1", "plamo2"),
            *("lfm2", "lfm2_moe", "qwen3_next", "minimax", "minimax_text_01", "kimi_linear"),
        ),
        STATE,
    ),
    "mllama_text_model": "layers that attend to images keep a cache of the image",
    "nemotron-nas": "its layers differ, and block_configs says how",
    "deci": "its layers differ, and block_configs says how",
}

#: Names by which families state the same size; the first that is there counts, and no other may differ.
ALIASES: dict[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "n_embed", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "key_heads": ("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv"),
    "forward": ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"),
    "vocabulary": ("vocab_size", "padded_vocab_size"),
    "head_dim": ("head_dim", "kv_channels"),
    "positions": ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length", "n_ctx"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "experts_per_token": ("num_experts_per_tok", "num_experts_per_token", "experts_per_token"),
    "expert_forward": ("moe_intermediate_size",),
}
#: Of these another name may say something else: the length of training.
MAY_DIFFER = ("positions",)
LATENT = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
EXPERTS = (
    *("mlp_only_layers", "decoder_sparse_step", "first_k_dense_replace", "moe_layer_freq"),
    *("n_shared_experts", "shared_expert_intermediate_size", "num_shared_experts"),
)
WINDOWS = (
    *("sliding_window", "sliding_window_pattern", "_sliding_window_pattern", "layer_types", "use_sliding_window"),
    "max_window_layers",
)
OTHERS = (
    *("model_type", "architectures", "torch_dtype", "dtype", "tie_word_embeddings", "text_config"),
    *("quantization_config", "quantization", "num_nextn_predict_layers", "word_embed_proj_dim"),
    "num_ln_in_parallel_attn",
)
#: Off, they change nothing; on, only families that know them read them.
HARMLESS_WHEN_OFF = frozenset(
    {
        *("attention_bias", "mlp_bias", "use_bias", "bias", "use_qk_norm", "qk_layernorm", "use_qkv_bias"),
        *("add_cross_attention", "is_encoder_decoder", "tie_encoder_decoder", "pruned_heads", "use_sliding_window"),
        *("cross_attention_hidden_size", "chunk_size_feed_forward", "adapter_layers", "num_kv_shared_layers"),
        *("moe_layers", "use_cla", "prefix_projection", "pre_seq_len", "quantization_bit", "use_mla"),
        *("use_parallel_residual", "parallel_attn", "swin_norm", "attention_qkv_bias", "qkv_bias", "no_bias"),
        *(*EXPERTS, *LATENT, "sliding_window", "sliding_window_pattern", "layer_types", "max_window_layers"),
        *(*ALIASES["experts"], *ALIASES["experts_per_token"], *ALIASES["expert_forward"], "num_nextn_predict_layers"),
        *("use_mamba", "ssm_cfg", "state_size", "sparsity_config", "lora_rank"),
    }
)
#: How numbers are computed, drawn, named, trained or generated: neither sizes nor times follow.
HARMLESS = frozenset(
    """
    _attn_implementation _attn_implementation_autoset _attn_implementation_internal _commit_hash _name_or_path
    activation_function afm_type alibi alibi_bias_max apply_query_key_layer_scaling apply_residual_connection_post_layernorm
    apply_rmsnorm attention_multiplier attention_probs_dropout_prob attention_softmax_in_fp32 attn_implementation
    attn_logit_softcapping attn_pdrop attn_temperature_tuning auto_map bad_words_ids base_model_tp_plan begin_suppress_tokens
    beta_fast beta_slow bias_dropout_fusion bos_token_id bos_token cache_implementation cache_position causal cls_token_id
    classifier_dropout clip_qkv custom_pipelines decoder_start_token_id diversity_penalty do_sample
    early_stopping embd_pdrop embedding_multiplier encoder_no_repeat_ngram_size eos_token eos_token_id ep_size
    exponential_decay_length_penalty final_logit_softcapping finetuning_task forced_bos_token_id forced_eos_token_id
    fp32_residual_connection generation_config gradient_checkpointing hidden_act hidden_activation hidden_dropout_prob
    id2label initial_context_length initializer_factor initializer_range init_device init_std interpolate_factor is_decoder
    label2id layer_norm_epsilon layer_norm_eps layernorm_epsilon layerdrop length_penalty logit_scale logits_scaling
    mamba_ssm_dtype masked_softmax_fusion max_length max_new_tokens max_sequence_length_generation min_length mlp_dropout
    model_max_length mup_base_width n_group no_repeat_ngram_size no_rope_layer_interval no_rope_layers norm_topk_prob norm_eps
    norm_epsilon norm_type num_beam_groups num_beams num_logits_to_keep num_return_sequences offset_alibi original_rope
    original_max_position_embeddings output_attentions output_hidden_states output_router_logits output_scores pad_token_id
    partial_rotary_factor prefix pretraining_tp problem_type qk_head_dim query_pre_attn_scalar remove_invalid_values
    reorder_and_upcast_attn repetition_penalty resid_pdrop residual_dropout residual_multiplier return_dict
    return_dict_in_generate rms_norm_eps rmsnorm_eps rope_factor rope_init_fn rope_interleave rope_local_base_freq rope_parameters
    rope_pct rope_percent rope_ratio rope_scaling rope_theta rope_type rotary rotary_dim rotary_emb_base rotary_emb_fraction
    rotary_pct route_scale routed_scaling_factor router_aux_loss_coef router_jitter_noise router_z_loss_coef
    scale_attention_softmax_in_fp32 scale_attn_by_inverse_layer_idx scale_attn_weights scale_depth scale_emb scoring_func
    seed sep_token_id seq_aux skip_bias_add slow_but_exact softmax_scale suppress_tokens summary_activation
    summary_first_dropout summary_proj_to_labels summary_type summary_use_proj swiglu_limit task_specific_params temperature
    tf_legacy_loss tokenizer_class top_k top_p topk_group topk_method torchscript transformers_version typical_p unk_token_id
    aux_loss_alpha attention_dropout attention_dropout_prob aux_loss_coef embedding_dropout hidden_dropout activation_dropout
    dropout resid_dropout attention_softcap use_bfloat16 use_cache use_attn_norm upcast_softmax unsloth_fixed unsloth_version
    max_cache_len mask_token_id mscale use_dynamic_ntk use_logn_attn use_flash_attn
    """.split()
)
#: Of the towers beside the text model, which are left out.
TOWERS = re.compile(
    r"(vision|image|video|audio|visual|mm|multimodal|projector|vit|speech|perceiver)(_|$)|(spatial_merge_size|ignore_index"
    r"|boi_token_index|eoi_token_index|use_image.*|tune_mm.*|temporal_patch_size)$"
)
_ENDINGS = re.compile(r"_(token_ids?|token_index|dropout|dropout_prob|pdrop|loss_coef|loss_coeff)$")


def require_known(document: dict[str, Any], known: Iterable[str], family: str, path: str = "") -> None:
    """Refuse keys that may change a size or a time.

    Parameters
    ----------
    document : dict
        The configuration.
    known : iterable of str
        Keys that its family reads.
    family : str
        For the error.
    path : str
        Of the document.

    Raises
    ------
    InstanceError
        Naming the first such key, and the way on.
    """
    read = {*known, *OTHERS}
    for key, value in document.items():
        if key in read or key in HARMLESS or _ENDINGS.search(key) or TOWERS.match(key) or value is None:
            continue
        if key in HARMLESS_WHEN_OFF and not value:
            continue
        raise InstanceError(
            join(path, key),
            f"not known for {family} whether {short(value)} changes sizes or times: {WAY_ON}; "
            f"--ignore-key {short(key)[1:-1]} says that it does not",
        )
