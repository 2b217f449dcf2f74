"""stub"""
from .threadpool import threadpool_ir
def support_ir(triple): return threadpool_ir(triple)
