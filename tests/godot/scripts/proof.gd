extends SceneTree
# Prints, for each vector, the client's proof and whether the server's is accepted, and damaged ones are not.


func _init() -> void:
	var proof_script = load("res://addons/popbridge/proof.gd")
	for vector: Dictionary in load("res://addons/popbridge/files.gd").read_json("res://vectors.json").vectors:
		var proof = proof_script.new(vector.token, vector.fingerprint)
		proof.nonce = vector.client_nonce
		var offer := {"nonce": vector.server_nonce, "proof": vector.server_proof}
		var damaged := [proof.is_valid({"nonce": vector.client_nonce, "proof": vector.server_proof})]
		for value: Variant in ["", null, vector.client_proof, vector.server_proof.to_upper(), vector.server_proof + "0"]:
			damaged.append(proof.is_valid({"nonce": vector.server_nonce, "proof": value}))
		damaged.append(proof.is_valid({"nonce": vector.server_nonce}))
		print("proof: ", proof.id, " ", proof.answer(offer).proof, " ", proof.is_valid(offer), " ", true in damaged)
	quit()
