// Process, handles, creation and conversion.
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <caffe2/core/common.h>
#include <dlfcn.h>
#include <malloc.h>

#include <array>
#include <string>

namespace bulwark {

static thread_local std::string last_message = "no failure so far";

bw_status record_failure() noexcept {
  try {
    throw;
  } catch (const c10::Error &error) {
    last_message = error.what_without_backtrace();
  } catch (const std::exception &error) {
    last_message = error.what();
  } catch (...) {
    last_message = "an unknown C++ exception";
  }
  return 1;
}

static constexpr std::array<at::ScalarType, 10> scalar_types = {
    at::kByte, at::kChar,  at::kShort,  at::kInt,  at::kLong,
    at::kHalf, at::kFloat, at::kDouble, at::kBool, at::kBFloat16};

at::ScalarType scalar_type(int32_t code) { return scalar_types.at(static_cast<size_t>(code)); }

int32_t dtype_code(at::ScalarType type) {
  for (size_t i = 0; i < scalar_types.size(); i++) {
    if (scalar_types[i] == type) return static_cast<int32_t>(i);
  }
  TORCH_CHECK(false, "dtype ", type, " is not one that Bulwark uses");
}

static at::TensorOptions options(int32_t dtype, int32_t device_code) {
  return at::TensorOptions().dtype(scalar_type(dtype)).device(device(device_code));
}

static at::MemoryFormat format(bw_layout layout) {
  return layout == BW_CHANNELS_LAST ? at::MemoryFormat::ChannelsLast
                                    : at::MemoryFormat::Contiguous;
}

}  // namespace bulwark

using namespace bulwark;

extern "C" {

const char *bw_last_error(void) { return last_message.c_str(); }

bw_status bw_set_threads(int32_t count) { BW_TRY(at::set_num_threads(count)) }

bw_status bw_get_threads(int32_t *count) { BW_TRY(*count = at::get_num_threads()) }

bw_status bw_torch_version(const char **out) {
  // Of the library that was loaded; TORCH_VERSION is that of the headers.
  BW_TRY({
    const auto &build = caffe2::GetBuildOptions();
    const auto found = build.find("TORCH_VERSION");
    *out = found == build.end() ? "of an unknown version" : found->second.c_str();
  })
}

bw_status bw_cpu_features(int32_t *amx_bf16) {
  __builtin_cpu_init();
  *amx_bf16 = __builtin_cpu_supports("amx-bf16") != 0;
  return 0;
}

bw_status bw_keep_large_blocks(int32_t enabled) {
  // Freed activations of tens of megabytes go back to glibc's heap instead of to the kernel, which
  // would have to clear every page again in the next step. Arenas stay one a thread.
  mallopt(M_MMAP_MAX, enabled ? 0 : 65536);
  mallopt(M_TRIM_THRESHOLD, enabled ? -1 : 128 * 1024);
  return 0;
}

bw_status bw_cuda_load(const char *path, int32_t *devices) {
  BW_TRY({
    *devices = 0;
    // Before LibTorch is asked anything about CUDA: its first answer, also "there is none", stays for good.
    TORCH_CHECK(dlopen(path, RTLD_LAZY | RTLD_GLOBAL), dlerror());
    *devices = static_cast<int32_t>(at::detail::getCUDAHooks().deviceCount());
  })
}

bw_status bw_synchronize(int32_t device_code) {
  BW_TRY({
    if (device_code >= 0) at::empty({1}, options(6, device_code)).zero_().item<float>();
  })
}

bw_status bw_empty(const int64_t *shape, int32_t rank, int32_t dtype, int32_t device_code,
                   bw_tensor *out) {
  BW_TRY(*out = wrap(at::empty(sizes(shape, rank), options(dtype, device_code))))
}

bw_status bw_full(const int64_t *shape, int32_t rank, double value, int32_t dtype,
                  int32_t device_code, bw_tensor *out) {
  BW_TRY(*out = wrap(at::full(sizes(shape, rank), value, options(dtype, device_code))))
}

bw_status bw_arange(int64_t count, int32_t dtype, bw_tensor *out) {
  BW_TRY(*out = wrap(at::arange(count, options(dtype, -1))))
}

bw_status bw_free(bw_tensor handle) {
  delete reinterpret_cast<at::Tensor *>(handle);
  return 0;
}

bw_status bw_alias(bw_tensor handle, bw_tensor *out) { BW_TRY(*out = wrap(tensor(handle))) }

bw_status bw_rank(bw_tensor handle, int32_t *out) {
  BW_TRY(*out = static_cast<int32_t>(tensor(handle).dim()))
}

bw_status bw_shape(bw_tensor handle, int64_t *out) {
  BW_TRY({
    auto shape = tensor(handle).sizes();
    std::copy(shape.begin(), shape.end(), out);
  })
}

bw_status bw_dtype(bw_tensor handle, int32_t *out) {
  BW_TRY(*out = dtype_code(tensor(handle).scalar_type()))
}

bw_status bw_device(bw_tensor handle, int32_t *out) {
  BW_TRY(*out = tensor(handle).is_cuda() ? tensor(handle).get_device() : -1)
}

bw_status bw_data(bw_tensor handle, void **out, int64_t *bytes) {
  BW_TRY({
    auto &value = tensor(handle);
    TORCH_CHECK(value.is_contiguous() && value.device().is_cpu(),
                "the bytes of a tensor can be reached only when it is contiguous and on the CPU");
    *out = value.data_ptr();
    *bytes = static_cast<int64_t>(value.nbytes());
  })
}

bw_status bw_item(bw_tensor handle, double *out) { BW_TRY(*out = tensor(handle).item<double>()) }

bw_status bw_to_dtype(bw_tensor handle, int32_t dtype, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(handle).to(scalar_type(dtype))))
}

bw_status bw_to_device(bw_tensor handle, int32_t device_code, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(handle).to(device(device_code))))
}

bw_status bw_contiguous(bw_tensor handle, bw_layout layout, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(handle).contiguous(format(layout))))
}

bw_status bw_clone(bw_tensor handle, bw_tensor *out) { BW_TRY(*out = wrap(tensor(handle).clone())) }

bw_status bw_detach(bw_tensor handle, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(handle).detach()))
}

bw_status bw_copy_into(bw_tensor target, bw_tensor source) {
  BW_TRY({
    c10::NoGradGuard guard;
    tensor(target).copy_(tensor(source));
  })
}

bw_status bw_fill(bw_tensor target, double value) {
  BW_TRY({
    c10::NoGradGuard guard;
    tensor(target).fill_(value);
  })
}

bw_status bw_lerp_into(bw_tensor target, bw_tensor end, double weight) {
  BW_TRY({
    c10::NoGradGuard guard;
    tensor(target).lerp_(tensor(end), weight);
  })
}

bw_status bw_set_layout(bw_tensor handle, bw_layout layout) {
  BW_TRY({
    c10::NoGradGuard guard;
    auto &value = tensor(handle);
    value.set_data(value.contiguous(format(layout)));
  })
}

bw_status bw_random_uniform(uint64_t seed, const int64_t *shape, int32_t rank, double low,
                            double high, bw_tensor *out) {
  BW_TRY({
    auto generator = at::detail::createCPUGenerator(seed);
    auto value = at::empty(sizes(shape, rank), at::kFloat);
    value.uniform_(low, high, generator);
    *out = wrap(value);
  })
}

bw_status bw_random_normal(uint64_t seed, const int64_t *shape, int32_t rank, bw_tensor *out) {
  BW_TRY(*out = wrap(
             at::randn(sizes(shape, rank), at::detail::createCPUGenerator(seed), at::kFloat)))
}

bw_status bw_random_integers(uint64_t seed, const int64_t *shape, int32_t rank, int64_t below,
                             bw_tensor *out) {
  BW_TRY(*out = wrap(at::randint(below, sizes(shape, rank), at::detail::createCPUGenerator(seed),
                                 at::kLong)))
}

bw_status bw_random_permutation(uint64_t seed, int64_t count, bw_tensor *out) {
  BW_TRY(*out = wrap(at::randperm(count, at::detail::createCPUGenerator(seed), at::kLong)))
}

#define BW_ENTRY(name, ...) bw_##name,

static const bw_api table = {BW_ABI_VERSION, bw_last_error, BW_FUNCTIONS(BW_ENTRY)};

const bw_api *bw_shim_table(void) { return &table; }

}  // extern "C"
