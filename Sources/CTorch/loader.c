#define _GNU_SOURCE
#include "ctorch.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const bw_api *fail(int32_t *stage, int32_t at, char *message, int64_t capacity,
                          const char *text) {
  *stage = at;
  snprintf(message, (size_t)capacity, "%s", text ? text : "no message");
  return NULL;
}

const bw_api *bw_load(const char *libtorch_directory, const char *shim_path, int32_t *stage,
                      char *message, int64_t capacity) {
  // LibTorch's OpenMP threads wait for work by spinning, for milliseconds by default: two programs on
  // the same cores then slow each other down many times over. Ten thousand turns bridge the gaps
  // between operations. OpenMP reads this once, when it is loaded below.
  setenv("GOMP_SPINCOUNT", "10000", 0);
  // Global visibility, so that the shim's references and a later libtorch_cuda find these copies.
  const char *libraries[] = {"libc10.so", "libtorch_cpu.so"};
  for (int i = 0; i < 2; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/torch/lib/%s", libtorch_directory, libraries[i]);
    if (access(path, R_OK) != 0) return fail(stage, 1, message, capacity, path);
    if (!dlopen(path, RTLD_LAZY | RTLD_GLOBAL)) {
      return fail(stage, 2, message, capacity, dlerror());
    }
  }
  void *shim = dlopen(shim_path, RTLD_NOW | RTLD_GLOBAL);
  if (!shim) return fail(stage, 3, message, capacity, dlerror());
  const bw_api *(*table)(void) = (const bw_api *(*)(void))dlsym(shim, "bw_shim_table");
  if (!table) return fail(stage, 3, message, capacity, dlerror());
  const bw_api *api = table();
  if (api->abi_version != BW_ABI_VERSION) {
    return fail(stage, 4, message, capacity, "the library was built from other sources");
  }
  return api;
}
