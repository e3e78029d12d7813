// Entries of the shim beyond plain tensor operations: file formats and fused kernels.
#ifndef BULWARK_CTORCH_EXTRA_H
#define BULWARK_CTORCH_EXTRA_H

#define BW_EXTRA_FUNCTIONS(F)

#endif
