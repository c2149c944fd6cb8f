"""What a problem is: validated data, the papers' equations, the meaning of a placement, declarative models.

Importing this room loads numpy and no solver; a model's builder imports Pyomo or OR-Tools when it is called.
"""
