#include "parallel.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <atomic>
#include <exception>

namespace bulwark {

namespace {

/// The entries of libgomp that `#pragma omp parallel` is compiled to; libomp has them too.
struct OpenMP {
  void (*parallel)(void (*)(void *), void *, unsigned, unsigned);
  int (*thread)(void);
  int (*threads)(void);

  OpenMP() {
    parallel = reinterpret_cast<decltype(parallel)>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    thread = reinterpret_cast<decltype(thread)>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
    threads = reinterpret_cast<decltype(threads)>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
  }

  bool is_there() const { return parallel && thread && threads; }

  static const OpenMP &shared() {
    static const OpenMP instance;
    return instance;
  }
};

struct Job {
  int64_t count;
  void (*body)(const void *, int64_t, int64_t);
  const void *context;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  std::exception_ptr failure;

  /// The calling thread's part.
  void run() {
    const int64_t thread = OpenMP::shared().thread(), threads = OpenMP::shared().threads();
    const int64_t begin = count * thread / threads, end = count * (thread + 1) / threads;
    if (begin == end) return;
    try {
      body(context, begin, end);
    } catch (...) {
      if (!failed.test_and_set()) failure = std::current_exception();
    }
  }
};

}  // namespace

void run_in_parallel(int64_t count, void (*body)(const void *, int64_t, int64_t),
                     const void *context) {
  if (count < 2 || at::get_num_threads() < 2 || at::in_parallel_region() ||
      !OpenMP::shared().is_there()) {
    if (count > 0) body(context, 0, count);
    return;
  }
  Job job{count, body, context};
  // As many threads as LibTorch uses: it has told OpenMP.
  OpenMP::shared().parallel([](void *data) { static_cast<Job *>(data)->run(); }, &job, 0, 0);
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace bulwark
