"""What Google's own Python client does and sees. The last line of its output is JSON.

    witness.py PORT dataset NAME              makes a data set
    witness.py PORT candles TABLE FILE.csv    makes a table of daily candles (DATE, FLOAT, NUMERIC, INTEGER …) with its rows shuffled
    witness.py PORT sql TEXT                  runs a statement; its rows
    witness.py PORT rows TABLE                all rows of a table, values as Python has them, in words
    witness.py PORT schema TABLE              [name, type, mode] of each column
    witness.py PORT key FILE                  writes a service account's key file with a fresh RSA key that opens nothing
    witness.py PORT token FILE TOKEN          the claims of a token that was signed with that key; fails where it was not
"""

import csv
import json
import random
import sys
import warnings

warnings.filterwarnings("ignore")
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

PROJECT = "test-proj"
port, verb, *rest = sys.argv[1:]
client = bigquery.Client(
    project=PROJECT,
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
)


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value == value else "NaN"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def rows(found):
    return [{name: plain(value) for name, value in row.items()} for row in found]


def whole(table):
    return table if table.count(".") == 2 else f"{PROJECT}.{table}"


answer = None
if verb == "dataset":
    client.create_dataset(bigquery.Dataset(f"{PROJECT}.{rest[0]}"), exists_ok=True)
elif verb == "candles":
    table, path = whole(rest[0]), rest[1]
    kinds = {"open": "FLOAT64", "high": "FLOAT64", "low": "FLOAT64", "close": "NUMERIC", "volume": "FLOAT64"}
    columns = ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
    client.query(f"CREATE OR REPLACE TABLE `{table}` (`date` DATE, {columns}, `note` STRING, `at` TIMESTAMP)").result()
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file))
    random.Random(7).shuffle(lines)
    for start in range(0, len(lines), 200):
        values = []
        for line in lines[start : start + 200]:
            cells = [f"DATE '{line['date']}'"]
            cells += [f"NUMERIC '{line[name]}'" if kind == "NUMERIC" else line[name] for name, kind in kinds.items()]
            values.append("(" + ", ".join(cells) + ", 'a, \"note\"', NULL)")
        client.query(f"INSERT INTO `{table}` VALUES " + ", ".join(values)).result()
    answer = len(lines)
elif verb == "sql":
    answer = rows(client.query(rest[0]).result())
elif verb == "rows":
    answer = rows(client.list_rows(client.get_table(whole(rest[0]))))
elif verb == "schema":
    answer = [[field.name, field.field_type, field.mode] for field in client.get_table(whole(rest[0])).schema]
elif verb == "key":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(rest[0], "w") as file:
        json.dump(
            {
                "type": "service_account",
                "project_id": "key-proj",
                "private_key_id": "1234",
                "private_key": pem.decode(),
                "client_email": "nobody@key-proj.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": "https://oauth2.googleapis.com/token",
            },
            file,
        )
    with open(rest[0] + ".pub", "wb") as file:
        file.write(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
elif verb == "token":
    # the claims of a signed token, checked against the public key by Google's own code
    from google.auth import jwt

    with open(rest[0] + ".pub", "rb") as file:
        key = file.read()
    answer = dict(jwt.decode(rest[1], certs=None, verify=False))
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    import base64

    signed, _, signature = rest[1].rpartition(".")
    signature = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    serialization.load_pem_public_key(key).verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
else:
    sys.exit(__doc__)
print(json.dumps(answer))
