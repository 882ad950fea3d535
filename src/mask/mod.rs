//! From logits to anatomy: labels, components, lesions, millilitres.
