// Carries only the compiler and linker flags of LibTorch (libtorch.pc); its C++ headers are included by CTorchShim.
