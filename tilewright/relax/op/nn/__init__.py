"""Operators of neural networks."""

from .activation import *
from .attention import *
from .convolution import *
from .deformable import *
from .loss import *
from .normalization import *
from .packed import *
from .padding import *
from .pooling import *
from .spatial import *
from .winograd import *
