"""The fault catalogue of the project: one fault each, caused on the exchange under the whole production desk."""
