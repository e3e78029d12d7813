// libpng's simplified API (png_image_*: errors by return value, no setjmp in the caller) and zlib, on which libpng rests.
#pragma once
#include <png.h>
#include <zlib.h>
