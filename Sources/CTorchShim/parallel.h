// Loops on LibTorch's own threads.
//
// at::parallel_for starts threads only in code that is compiled with OpenMP, which a SwiftPM package
// cannot ask for. What a compiler would make of the pragma is one call into libgomp, and LibTorch has
// loaded that library: so the same threads serve LibTorch's operations and these loops.
#pragma once

#include <cstdint>

namespace bulwark {

/// Calls `body(context, begin, end)` for parts of 0 ..< count, on all of LibTorch's threads; returns
/// when all are done. What a part throws is thrown here.
void run_in_parallel(int64_t count, void (*body)(const void *, int64_t, int64_t),
                     const void *context);

/// Calls `body(begin, end)` for parts of 0 ..< count, on all of LibTorch's threads.
template <typename Body>
void parallel_for(int64_t count, const Body &body) {
  run_in_parallel(
      count,
      [](const void *context, int64_t begin, int64_t end) {
        (*static_cast<const Body *>(context))(begin, end);
      },
      &body);
}

}  // namespace bulwark
