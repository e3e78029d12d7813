// The TurboJPEG API of libjpeg-turbo: it reports errors by return value (no setjmp), so Swift may call it.
#pragma once
#include <turbojpeg.h>
