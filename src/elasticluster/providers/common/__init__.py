"""What providers of machines have in common, whatever cloud they are for.

``keys``     configuration keys that mean the same for several clouds
``bulk``     the documented verbs for one instance, done by those for many
``tags``     what is written on everything made, as texts by name
"""
